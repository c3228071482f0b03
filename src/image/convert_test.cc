#include "image/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "image/noise_test.h"

namespace nibble {
namespace {

TEST(Convert, Bytes_survive_the_way_to_a_tensor_and_back) {
  Image image(16, 16, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i / 3);
  const Tensor tensor = image_to_tensor(image);
  EXPECT_EQ(tensor.shape(), (Shape{1, 16, 16, 3}));
  EXPECT_EQ(tensor.values<float>()[0], -1.0f);
  EXPECT_EQ(tensor.values<float>().back(), 1.0f);
  EXPECT_EQ(tensor.values<float>()[3], 2.0f * (1.0f / 255.0f) - 1.0f);
  EXPECT_EQ(tensor_to_image(tensor), image);
}

TEST(Convert, Halves_round_to_even_and_the_rest_is_clamped) {
  // x / 2 + 1/2 = 0.5 gives 127.5, halfway to 128, which is even.
  const float inf = std::numeric_limits<float>::infinity();
  const float values[] = {0.0f, -1.0f, 1.0f, -7.0f, 7.0f, inf, -inf, std::nanf(""), 0.25f};
  const Image image = tensor_to_image(Tensor::from(values, {1, 1, 3, 3}));
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{128, 0, 255, 0, 255, 255, 0, 0, 159}));
}

TEST(Convert, Batches_hold_pictures_of_one_size) {
  const std::vector<Image> images = {noise(1, 3, 5), noise(2, 3, 5, 1), noise(3, 3, 5, 4)};
  const Tensor tensor = image_to_tensor(images);
  EXPECT_EQ(tensor.shape(), (Shape{3, 3, 5, 3}));
  for (size_t i = 0; i < images.size(); ++i) {
    EXPECT_EQ(tensor_to_image(tensor, static_cast<int64_t>(i)), to_rgb(images[i]));
  }
  EXPECT_THROW(image_to_tensor(std::vector<Image>{noise(1, 3, 5), noise(1, 5, 3)}), Error);
}

}  // namespace
}  // namespace nibble
