#include "image/image.h"

#include <algorithm>
#include <cstring>

namespace nibble {

Image to_rgb(const Image& image) {
  if (image.channels == 3) return image;
  Image out(image.width, image.height, 3);
  const int64_t count = image.width * image.height;
  const uint8_t* from = image.pixels.data();
  uint8_t* to = out.pixels.data();
  for (int64_t i = 0; i < count; ++i, from += image.channels, to += 3) {
    if (image.channels == 4) {
      std::memcpy(to, from, 3);
    } else {
      std::fill_n(to, 3, from[0]);
    }
  }
  return out;
}

Image to_grey(const Image& image) {
  if (image.channels == 1) return image;
  NIBBLE_CHECK(image.channels >= 3);
  Image out(image.width, image.height, 1);
  const uint8_t* from = image.pixels.data();
  for (uint8_t& grey : out.pixels) {
    grey = static_cast<uint8_t>((from[0] * 19595 + from[1] * 38470 + from[2] * 7471 + 0x8000) >> 16);
    from += image.channels;
  }
  return out;
}

Image crop(const Image& image, int64_t x, int64_t y, int64_t width, int64_t height) {
  NIBBLE_CHECK(x >= 0 && y >= 0 && width >= 0 && height >= 0 && x + width <= image.width && y + height <= image.height,
               "crop {}x{} at {},{} of {}x{}", width, height, x, y, image.width, image.height);
  Image out(width, height, image.channels);
  for (int64_t row = 0; row < height; ++row) {
    std::copy_n(image.row(y + row) + x * image.channels, width * image.channels, out.row(row));
  }
  return out;
}

Image oriented(const Image& image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  // The stored picture is the upright one mirrored and turned; each output pixel looks up its stored place.
  const bool swaps = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out(swaps ? image.height : image.width, swaps ? image.width : image.height, image.channels);
  for (int64_t y = 0; y < out.height; ++y) {
    uint8_t* to = out.row(y);
    for (int64_t x = 0; x < out.width; ++x, to += image.channels) {
      int64_t from_x = swaps ? y : x;
      int64_t from_y = swaps ? x : y;
      if (flip_x) from_x = image.width - 1 - from_x;
      if (flip_y) from_y = image.height - 1 - from_y;
      std::copy_n(image.row(from_y) + from_x * image.channels, image.channels, to);
    }
  }
  return out;
}

}  // namespace nibble
