// Pictures in memory: rows from the top, channels interleaved.
#pragma once

#include <cstdint>
#include <vector>

#include "base/check.h"

namespace nibble {

template <typename T>
struct BasicImage {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 0;   // 1 grey, 3 RGB, 4 RGB and alpha (not premultiplied)
  std::vector<T> pixels;  // [height, width, channels]

  BasicImage() = default;
  BasicImage(int64_t w, int64_t h, int64_t c) : width(w), height(h), channels(c) {
    NIBBLE_CHECK(w >= 0 && h >= 0 && c >= 1 && c <= 4, "image {}x{}x{}", w, h, c);
    pixels.resize(static_cast<size_t>(w * h * c));
  }

  T* row(int64_t y) { return pixels.data() + y * width * channels; }
  const T* row(int64_t y) const { return pixels.data() + y * width * channels; }
  bool operator==(const BasicImage&) const = default;
};

using Image = BasicImage<uint8_t>;     // 0…255
using FloatImage = BasicImage<float>;  // any range

// Three channels: grey is repeated, alpha is dropped, as Pillow's convert("RGB").
Image to_rgb(const Image& image);

// One channel by ITU-R 601 luma in integers, as Pillow's convert("L").
Image to_grey(const Image& image);

// Must lie inside the image (NIBBLE_CHECK).
Image crop(const Image& image, int64_t x, int64_t y, int64_t width, int64_t height);

// Undoes an EXIF orientation 1…8; other values leave the image as it is.
Image oriented(const Image& image, int orientation);

}  // namespace nibble
