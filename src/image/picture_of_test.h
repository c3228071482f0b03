#pragma once

#include <algorithm>

#include "image/image.h"
#include "tensor/tensor.h"

namespace nibble {

// Bytes [height, width, 3] of a golden file as a picture.
inline Image picture_of(const Tensor& pixels) {
  Image image(pixels.dim(1), pixels.dim(0), 3);
  std::ranges::copy(pixels.values<uint8_t>(), image.pixels.begin());
  return image;
}

}  // namespace nibble
