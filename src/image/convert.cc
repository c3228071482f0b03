#include "image/convert.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace nibble {

Tensor image_to_tensor(std::span<const Image> images) {
  NIBBLE_CHECK(!images.empty());
  const int64_t width = images[0].width, height = images[0].height;
  Tensor tensor = Tensor::zeros(DType::F32, {static_cast<int64_t>(images.size()), height, width, 3});
  float* out = tensor.mutable_values<float>().data();
  for (const Image& image : images) {
    if (image.width != width || image.height != height) {
      fail(ErrorCode::InvalidArgument, "pictures of one batch: want {}x{}, found {}x{}; resize them first", width, height,
           image.width, image.height);
    }
    const Image rgb = to_rgb(image);
    out = std::transform(rgb.pixels.begin(), rgb.pixels.end(), out,
                         [](uint8_t p) { return 2.0f * (static_cast<float>(p) / 255.0f) - 1.0f; });
  }
  return tensor;
}

Tensor image_to_tensor(const Image& image) { return image_to_tensor(std::span(&image, 1)); }

Image tensor_to_image(const Tensor& tensor, int64_t index) {
  NIBBLE_CHECK(tensor.shape().rank() == 4 && tensor.dim(3) == 3, "tensor of pictures {}", to_string(tensor.shape()));
  NIBBLE_CHECK(index >= 0 && index < tensor.dim(0));
  Image image(tensor.dim(2), tensor.dim(1), 3);
  const auto values = tensor.values<float>().subspan(static_cast<size_t>(index) * image.pixels.size(),
                                                     image.pixels.size());
  std::transform(values.begin(), values.end(), image.pixels.begin(), [](float x) {
    const float unit = std::clamp(x * 0.5f + 0.5f, 0.0f, 1.0f);
    return std::isnan(unit) ? uint8_t{0} : static_cast<uint8_t>(std::nearbyint(unit * 255.0f));
  });
  return image;
}

}  // namespace nibble
