#include "image/exact_resize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <numeric>

#include "base/error.h"
#include "image/noise_test.h"
#include "image/resize.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

const std::filesystem::path kGolden =
    std::filesystem::path(NIBBLE_SOURCE_DIR) / "tests/golden/image/torch/data.safetensors";

const std::map<std::string, Interpolation> kModes = {{"bilinear", Interpolation::Bilinear},
                                                     {"bicubic", Interpolation::Bicubic},
                                                     {"bilinear-antialias", Interpolation::BilinearAntialias},
                                                     {"bicubic-antialias", Interpolation::BicubicAntialias},
                                                     {"tf1", Interpolation::TensorFlow1}};

uint64_t hash_of(const Image& image) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const uint8_t byte : image.pixels) hash = (hash ^ byte) * 0x100000001B3;
  return hash;
}

// step·(0, 1, 2, …) in one channel.
template <typename T>
BasicImage<T> ramp(int64_t width, int64_t height, T step) {
  BasicImage<T> image(width, height, 1);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<T>(static_cast<T>(i) * step);
  return image;
}

std::vector<int> row_of(const Image& image, int64_t y) { return {image.row(y), image.row(y) + image.width}; }

void expect_row(const FloatImage& image, int64_t y, const std::vector<float>& want, float tolerance) {
  ASSERT_EQ(image.width, static_cast<int64_t>(want.size()));
  for (size_t x = 0; x < want.size(); ++x) EXPECT_NEAR(image.row(y)[x], want[x], tolerance) << x;
}

double mean_of(const FloatImage& image) {
  return std::accumulate(image.pixels.begin(), image.pixels.end(), 0.0) / static_cast<double>(image.pixels.size());
}

double deviation_of(const FloatImage& image) {
  const double mean = mean_of(image);
  double sum = 0;
  for (const float value : image.pixels) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(image.pixels.size()));
}

TEST(ExactResize, Interpolations_equal_torch) {
  const GoldenFile golden(kGolden);
  const auto names = golden.names("interpolate.");
  EXPECT_EQ(names.size(), 9u * 5);
  for (const std::string& name : names) {
    long w, h, width, height;
    char mode[24];
    ASSERT_EQ(std::sscanf(name.c_str(), "interpolate.%ldx%ld.%ldx%ld.%23s", &w, &h, &width, &height, mode), 5);
    const FloatImage got = interpolate(to_float(noise(7, h, w)), width, height, kModes.at(mode));
    const auto want = golden[name].values<float>();
    ASSERT_EQ(got.pixels.size(), want.size());
    // Sums in two passes are fused in another order: a rounding (half of 2^-16 below 256) for each of the 4 or 8 taps
    // of plain interpolation, and twice that for the cubic's weights, which sum to more than 1.
    const double limit = std::ldexp(std::string_view(mode).starts_with("bicubic") ? 8 : 4, -16);
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got.pixels[i], want[i], limit) << name << " at " << i;
  }
}

TEST(ExactResize, Pillow_bicubic_of_an_8_by_8_ramp) {
  const Image image = ramp<uint8_t>(8, 8, 4);
  const Image small = resize(image, 5, 5, ResizeFilter::Bicubic);
  EXPECT_EQ(small.pixels, (std::vector<uint8_t>{11,  18,  24,  30,  37,  61,  68,  74,  80,  87,  113, 120, 126,
                                                132, 139, 165, 172, 178, 184, 191, 215, 222, 228, 234, 241}));
  const FloatImage exact = resize(to_float(image), 5, 5, ResizeFilter::Bicubic);
  expect_row(exact, 0, {11.73190975f, 17.94001198f, 24.42836380f, 30.91671371f, 37.12481689f}, 4e-6f);
  expect_row(exact, 2, {113.30354309f, 119.51164246f, 126, 132.48835754f, 138.69645691f}, 1.6e-5f);
  const Image large = resize(image, 11, 11, ResizeFilter::Bicubic);
  EXPECT_EQ(row_of(large, 0), (std::vector<int>{0, 0, 3, 6, 9, 12, 15, 18, 21, 24, 26}));
  EXPECT_EQ(row_of(large, 5), (std::vector<int>{112, 114, 117, 120, 123, 126, 129, 132, 135, 138, 140}));
}

TEST(ExactResize, Pillow_bicubic_of_an_impulse) {
  Image image(9, 9, 1);
  image.pixels[40] = 255;
  const Image small = resize(image, 3, 3, ResizeFilter::Bicubic);
  EXPECT_EQ(small.pixels, (std::vector<uint8_t>{0, 0, 0, 0, 27, 0, 0, 0, 0}));
  const FloatImage exact = resize(to_float(image), 3, 3, ResizeFilter::Bicubic);
  EXPECT_NEAR(exact.pixels[4], 26.98432159f, 4e-6f);
}

// The response to an impulse in mode F is the weight, rounded to float once.
TEST(ExactResize, Pillow_bicubic_weights) {
  const auto weight = [](int64_t in, int64_t out, int64_t tap, int64_t to) {
    FloatImage image(in, 1, 1);
    image.pixels[static_cast<size_t>(tap)] = 1;
    return resize(image, out, 1, ResizeFilter::Bicubic).pixels[static_cast<size_t>(to)];
  };
  const float first[] = {.6113809293f, .4290917921f, -.0182127246f, -.0222599968f};
  const float second[] = {-.0378584229f, .2911439665f, .6059587814f, .1870519713f, -.0451762246f, -.0011200717f};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(weight(8, 5, i, 0), first[i], 1e-7);
  for (int i = 0; i < 6; ++i) EXPECT_NEAR(weight(8, 5, i, 1), second[i], 1e-7);
  const float larger[] = {1.0719557196f, -.0719557196f}, larger_second[] = {.6052060738f, .4451421395f, -.0503482133f};
  for (int i = 0; i < 2; ++i) EXPECT_NEAR(weight(5, 8, i, 0), larger[i], 1.2e-7);
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(weight(5, 8, i, 1), larger_second[i], 1e-7);
}

TEST(ExactResize, Torch_bilinear_of_a_ramp) {
  const FloatImage square = ramp<float>(4, 4, 1);
  expect_row(interpolate(square, 6, 6, Interpolation::Bilinear), 0, {0, .5f, 1.1666667f, 1.8333333f, 2.5f, 3}, 5e-7f);
  expect_row(interpolate(square, 3, 3, Interpolation::Bilinear), 0, {.8333333f, 2.1666667f, 3.5f}, 5e-7f);
  expect_row(interpolate(square, 3, 3, Interpolation::BilinearAntialias), 0, {1.5f, 2.7f, 3.9f}, 5e-7f);
  const FloatImage row = ramp<float>(8, 1, 1);
  expect_row(interpolate(row, 3, 1, Interpolation::Bilinear), 0, {.8333333f, 3.5f, 6.1666667f}, 5e-7f);
  expect_row(interpolate(row, 3, 1, Interpolation::BilinearAntialias), 0, {1.1052632f, 3.5f, 5.8947372f}, 1e-6f);
}

void expect_pixel(const FloatImage& image, int64_t y, int64_t x, const std::array<float, 3>& want) {
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(image.row(y)[3 * x + static_cast<int64_t>(c)], want[c],
                2 * std::numeric_limits<float>::epsilon() * 256);
  }
}

// The means were published with ten decimals; their sums run in double.
TEST(ExactResize, Clean_fid_pictures) {
  const FloatImage small = fid_picture(noise(42, 48, 64), FidResize::CleanFid);
  expect_pixel(small, 0, 0, {208.65657043f, 45.45379257f, 43.58575058f});
  expect_pixel(small, 150, 150, {175.69371033f, 117.74855042f, 29.38204765f});
  EXPECT_NEAR(mean_of(small), 127.6183118362, 1e-6);
  const FloatImage medium = fid_picture(noise(43, 400, 512), FidResize::CleanFid);
  expect_pixel(medium, 0, 0, {202.18156433f, 87.62140656f, 105.01816559f});
  expect_pixel(medium, 298, 298, {196.45185852f, 167.86215210f, 151.63101196f});
  EXPECT_NEAR(mean_of(medium), 127.5359480335, 1e-6);
  EXPECT_NEAR(deviation_of(medium), 39.7864543963, 1e-6);
  const FloatImage large = fid_picture(smooth(3, 1024, 1024), FidResize::CleanFid);
  expect_pixel(large, 0, 0, {123.83650970f, 121.21987152f, 118.47599030f});
  expect_pixel(large, 150, 150, {97.14048767f, 73.97587585f, 226.44047546f});
  EXPECT_NEAR(mean_of(large), 127.499930986, 1e-6);
}

TEST(ExactResize, Clean_fid_pictures_are_clipped) {
  Image image(2, 1, 3);
  std::fill_n(image.pixels.begin() + 3, 3, 255);
  const FloatImage raw = resize(to_float(image), 8, 1, ResizeFilter::Bicubic);
  EXPECT_LT(raw.pixels[0], 0);
  const FloatImage clipped = fid_picture(image, FidResize::CleanFid, 8);
  EXPECT_EQ(clipped.pixels.front(), 0);
  EXPECT_EQ(clipped.pixels.back(), 255);
}

TEST(ExactResize, TensorFlow1_pictures) {
  const FloatImage out = fid_picture(noise(42, 48, 64), FidResize::TorchFidelity);
  const float want[2][3] = {{189, 167.38127136f, 145.76254272f}, {178.88629150f, 158.98565674f, 139.08503723f}};
  for (int64_t y = 0; y < 2; ++y) {
    for (int64_t x = 0; x < 3; ++x) EXPECT_NEAR(out.row(y)[3 * x], want[y][x], 6e-5);
  }
  EXPECT_NEAR(mean_of(out), 127.5388476728, 2e-6);  // each pixel within two roundings of 256 at most, mostly cancelling
}

TEST(ExactResize, Each_fid_pipeline_has_its_resize) {
  const Image image = noise(5, 20, 30);
  const FloatImage source = to_float(image);
  EXPECT_EQ(fid_picture(image, FidResize::PytorchFid), interpolate(source, 299, 299, Interpolation::Bilinear));
  EXPECT_EQ(fid_picture(image, FidResize::TorchMetrics, 9),
            interpolate(source, 9, 9, Interpolation::BilinearAntialias));
  EXPECT_EQ(fid_picture(noise(5, 20, 30, 1), FidResize::CleanFid).channels, 3);
}

TEST(ExactResize, Clip_pictures_equal_the_published_ones) {
  const GoldenFile golden(kGolden);
  struct Case {
    int64_t height, width;
    int sums[2];
    std::array<uint8_t, 3> first[2];
  };
  const Case cases[] = {{48, 64, {20226020, 19080023}, {{105, 70, 44}, {49, 66, 124}}},
                        {400, 512, {19196882, 19198013}, {{84, 200, 35}, {76, 176, 116}}},
                        {1024, 1024, {19192580, 19187342}, {{116, 112, 107}, {128, 121, 141}}},
                        {375, 500, {19192061, 19190254}, {{114, 144, 108}, {133, 93, 127}}}};
  for (const Case& c : cases) {
    for (int kind = 0; kind < 2; ++kind) {
      const Image source = kind == 0 ? smooth(3, c.height, c.width) : noise(46, c.height, c.width);
      const Image got = clip_picture(source, CropRule::Torchvision);
      EXPECT_EQ(got.width, 224);
      EXPECT_EQ(got.height, 224);
      EXPECT_EQ(std::accumulate(got.pixels.begin(), got.pixels.end(), 0), c.sums[kind]);
      EXPECT_TRUE(std::equal(c.first[kind].begin(), c.first[kind].end(), got.pixels.begin()));
      const std::string name = format("published.{}.{}x{}", kind == 0 ? "smooth" : "noise", c.width, c.height);
      EXPECT_EQ(hash_of(got), static_cast<uint64_t>(golden[name].values<int64_t>()[0])) << name;
    }
  }
}

TEST(ExactResize, Both_crop_rules_equal_Pillow) {
  const GoldenFile golden(kGolden);
  const auto names = golden.names("clip.");
  EXPECT_EQ(names.size(), 6u * 2);
  for (const std::string& name : names) {
    long channels, w, h;
    char rule[16];
    ASSERT_EQ(std::sscanf(name.c_str(), "clip.%ld.%ldx%ld.%15s", &channels, &w, &h, rule), 4);
    const CropRule crop_rule = rule[0] == 't' ? CropRule::Torchvision : CropRule::HuggingFace;
    const auto want = golden[name].values<uint8_t>();
    EXPECT_EQ(clip_picture(noise(7, h, w, channels), crop_rule, 32).pixels,
              std::vector<uint8_t>(want.begin(), want.end()))
        << name;
  }
}

TEST(ExactResize, The_crop_rules_differ_by_a_pixel_where_half_rounds_up) {
  Image image(335, 224, 1);
  for (int64_t y = 0; y < 224; ++y) {
    for (int64_t x = 0; x < 335; ++x) image.row(y)[x] = static_cast<uint8_t>(x);
  }
  EXPECT_EQ(center_crop(image, 224, 224, CropRule::Torchvision).pixels[0], 56);
  EXPECT_EQ(center_crop(image, 224, 224, CropRule::HuggingFace).pixels[0], 55);
  const Image photo = resize_shorter_side(noise(1, 427, 640), 224);
  EXPECT_EQ(photo.width, 335);
  EXPECT_EQ(photo.height, 224);
}

TEST(ExactResize, Normalized_black_and_white) {
  Image image(2, 1, 3);
  std::fill_n(image.pixels.begin() + 3, 3, 255);
  const FloatImage got = normalized(image, kClipNorm);
  const float want[] = {-1.79226253f, -1.75209713f, -1.48021977f, 1.93033625f, 2.07488384f, 2.14589696f};
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(got.pixels[i], want[i], 2 * std::numeric_limits<float>::epsilon() * 2);
}

TEST(ExactResize, Impossible_sizes_are_refused) {
  EXPECT_THROW(interpolate(FloatImage(), 2, 2, Interpolation::Bilinear), Error);
  EXPECT_THROW(interpolate(ramp<float>(2, 2, 1), 0, 2, Interpolation::Bicubic), Error);
  EXPECT_THROW(interpolate(ramp<float>(2, 2, 1), 2, int64_t{1} << 40, Interpolation::TensorFlow1), Error);
  EXPECT_THROW(center_crop(noise(1, 5, 5), 6, 5, CropRule::Torchvision), Error);
  EXPECT_THROW(resize_shorter_side(Image(), 5), Error);
  EXPECT_THROW(resize_shorter_side(Image(1, 5, 3), 0), Error);
  EXPECT_THROW(resize_shorter_side(Image(1, 100000, 1), 224), Error);
}

}  // namespace
}  // namespace nibble
