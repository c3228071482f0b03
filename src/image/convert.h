// Between 8-bit pictures and the tensors of autoencoders, with the rounding of diffusers' VaeImageProcessor.
#pragma once

#include <span>

#include "image/image.h"
#include "tensor/tensor.h"

namespace nibble {

// F32 [images, height, width, 3] with 0…255 → −1…1. The pictures share one size; grey and alpha become RGB.
Tensor image_to_tensor(std::span<const Image> images);
Tensor image_to_tensor(const Image& image);

// Picture `index` of F32 [images, height, width, 3]: round_half_even(255 · clamp(x/2 + 1/2, 0, 1)); NaN becomes 0.
Image tensor_to_image(const Tensor& tensor, int64_t index = 0);

}  // namespace nibble
