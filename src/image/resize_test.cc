#include "image/resize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>

#include "base/error.h"
#include "image/noise_test.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

const std::filesystem::path kGolden = std::filesystem::path(NIBBLE_SOURCE_DIR) / "tests/golden/image/pillow/data.safetensors";

struct Case {
  int channels = 1;
  long in_width, in_height, out_width, out_height;
  ResizeFilter filter;
};

Case parse_case(const std::string& name, const char* pattern) {
  Case c;
  char filter[16];
  const bool has_channels = std::string_view(pattern).starts_with("resize");
  const int count = has_channels ? std::sscanf(name.c_str(), pattern, &c.channels, &c.in_width, &c.in_height, &c.out_width,
                                               &c.out_height, filter)
                                 : std::sscanf(name.c_str(), pattern, &c.in_width, &c.in_height, &c.out_width, &c.out_height,
                                               filter);
  NIBBLE_CHECK(count == (has_channels ? 6 : 5));
  c.filter = resize_filter_from_name(filter).value();
  return c;
}

uint64_t hash_of(const Image& image) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const uint8_t byte : image.pixels) hash = (hash ^ byte) * 0x100000001B3;
  return hash;
}

TEST(Resize, Eight_bit_pictures_equal_Pillow_exactly) {
  const GoldenFile golden(kGolden);
  const auto names = golden.names("resize.");
  EXPECT_EQ(names.size(), 8u * 3 * 5 + 5u * 5);
  for (const std::string& name : names) {
    const Case c = parse_case(name, "resize.%d.%ldx%ld.%ldx%ld.%15s");
    const Image got = resize(noise(7, c.in_height, c.in_width, c.channels), c.out_width, c.out_height, c.filter);
    ASSERT_EQ(got.width, c.out_width);
    ASSERT_EQ(got.height, c.out_height);
    const Tensor& want = golden[name];
    if (want.dtype() == DType::I64) {
      EXPECT_EQ(hash_of(got), static_cast<uint64_t>(want.values<int64_t>()[0])) << name;
    } else {
      const auto bytes = want.values<uint8_t>();
      EXPECT_EQ(got.pixels, std::vector<uint8_t>(bytes.begin(), bytes.end())) << name;
    }
  }
}

TEST(Resize, Float_pictures_equal_Pillow_mode_F) {
  const GoldenFile golden(kGolden);
  const auto names = golden.names("float.");
  EXPECT_EQ(names.size(), 8u * 5);
  for (const std::string& name : names) {
    const Case c = parse_case(name, "float.%ldx%ld.%ldx%ld.%15s");
    const Image source = noise(7, c.in_height, c.in_width, 1);
    FloatImage image(source.width, source.height, 1);
    for (size_t i = 0; i < source.pixels.size(); ++i) image.pixels[i] = static_cast<float>(source.pixels[i]) - 100.5f;
    const FloatImage got = resize(image, c.out_width, c.out_height, c.filter);
    const auto want = golden[name].values<float>();
    ASSERT_EQ(got.pixels.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      // Two roundings to float of sums whose double additions may be fused; terms reach 256.
      const float limit = 2 * std::numeric_limits<float>::epsilon() * std::max(std::abs(want[i]), 1e-6f * 256);
      EXPECT_NEAR(got.pixels[i], want[i], limit) << name << " at " << i;
    }
  }
}

TEST(Resize, Same_size_is_the_same_picture) {
  const Image image = noise(1, 5, 6, 4);
  EXPECT_EQ(resize(image, 6, 5, ResizeFilter::Bicubic), image);
}

TEST(Resize, Empty_pictures_and_sizes_are_refused) {
  EXPECT_THROW(resize(Image(), 4, 4, ResizeFilter::Box), Error);
  EXPECT_THROW(resize(noise(1, 2, 2), 0, 4, ResizeFilter::Box), Error);
  EXPECT_THROW(resize(noise(1, 2, 2), 4, -1, ResizeFilter::Box), Error);
  EXPECT_THROW(resize(noise(1, 2, 2), int64_t{1} << 40, 4, ResizeFilter::Box), Error);
}

TEST(Resize, Filter_names) {
  EXPECT_EQ(resize_filter_from_name("lanczos"), ResizeFilter::Lanczos);
  EXPECT_EQ(resize_filter_from_name("sharp"), std::nullopt);
}

}  // namespace
}  // namespace nibble
