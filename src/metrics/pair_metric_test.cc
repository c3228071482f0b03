#include "metrics/pair_metric.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "image/noise_test.h"
#include "metrics/difference.h"
#include "metrics/ssim.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

const std::filesystem::path kGolden = std::filesystem::path(NIBBLE_SOURCE_DIR) / "tests/golden/metrics/pairs/data.safetensors";

Image mixed(const Image& image, const Image& other, int divisor) {
  Image out = image;
  for (size_t i = 0; i < out.pixels.size(); ++i) {
    out.pixels[i] = static_cast<uint8_t>(std::clamp(image.pixels[i] + other.pixels[i] / divisor - 128 / divisor, 0, 255));
  }
  return out;
}

struct Pair {
  std::string name;
  Image a, b;
};

std::vector<Pair> make_pairs() {
  const Image s = smooth(0, 96, 80), large = smooth(0, 192, 208), odd = noise(3, 181, 187);
  return {{"noise", noise(42, 64, 64), noise(43, 64, 64)}, {"smooth", s, smooth(1, 96, 80)},
          {"noisy", s, mixed(s, noise(44, 96, 80), 32)},   {"large", large, mixed(large, noise(45, 192, 208), 16)},
          {"odd", odd, mixed(odd, noise(4, 181, 187), 4)}, {"tiny", noise(5, 6, 7), noise(6, 6, 7)}};
}

TEST(PairMetric, Equal_torchmetrics_and_scikit_image) {
  const GoldenFile golden(kGolden);
  int compared = 0;
  for (const Pair& pair : make_pairs()) {
    for (const PairMetric& metric : pair_metrics()) {
      const std::string key = pair.name + "." + metric.name;
      if (!golden.has(key)) continue;
      const double want = golden[key].values<double>()[0];
      // Sums in double of at most 40,000 terms a channel: only the order of additions differs. torchmetrics rounds the
      // logarithm of 10 in PSNR and the exponents of MS-SSIM to float32, half a unit in its last place.
      const bool rounds = key.ends_with("psnr") || key.ends_with("ms_ssim") || key.ends_with("ms_ssim_4");
      const double limit = rounds ? 6e-8 : 1e-10;
      EXPECT_NEAR(metric.measure(pair.a, pair.b), want, limit * std::max(1.0, std::abs(want))) << key;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 6 + 6 + 5 + 2 + 2);
}

TEST(Psnr, Known_values) {
  const std::vector<Pair> pairs = make_pairs();
  EXPECT_NEAR(psnr(pairs[0].a, pairs[0].b), 7.790477456601, 1e-12);
  EXPECT_NEAR(psnr(pairs[1].a, pairs[1].b), 11.508799945537, 1e-12);
  EXPECT_NEAR(psnr(pairs[2].a, pairs[2].b), 40.728067876543, 1e-12);
  Image a(8, 8, 3), b(8, 8, 3);
  EXPECT_TRUE(std::isinf(psnr(a, b)));
  std::fill(b.pixels.begin(), b.pixels.end(), 1);
  EXPECT_NEAR(psnr(a, b), 48.1308036086791, 1e-12);
  std::fill(b.pixels.begin(), b.pixels.end(), 10);
  EXPECT_NEAR(psnr(a, b), 28.1308036086791, 1e-12);
  std::fill(b.pixels.begin(), b.pixels.end(), 255);
  EXPECT_EQ(psnr(a, b), 0);
  std::fill(b.pixels.begin(), b.pixels.end(), 0);
  b.pixels[77] = 1;
  EXPECT_NEAR(psnr(a, b), 70.9638158957146, 1e-12);
}

// Eleven digits behind the point: half a unit of the last.
TEST(Ssim, The_window_is_a_gaussian_of_eleven) {
  constexpr double kWant[] = {.00102838008, .00759875814, .03600077213, .10936068951, .21300553771, .26601172486};
  const std::array<double, 11> window = ssim_window();
  double sum = 0;
  for (size_t i = 0; i < window.size(); ++i) {
    EXPECT_NEAR(window[i], kWant[std::min(i, 10 - i)], 5.1e-12) << i;
    sum += window[i];
  }
  EXPECT_NEAR(sum, 1, 1e-15);
}

TEST(Ssim, Constants_and_identity) {
  Image a(20, 20, 3), b(20, 20, 3);
  std::fill(a.pixels.begin(), a.pixels.end(), 100);
  std::fill(b.pixels.begin(), b.pixels.end(), 110);
  EXPECT_NEAR(ssim(a, b), 0.995476444091, 1e-12);
  EXPECT_NEAR(ssim_valid(a, b), 0.995476444091, 1e-12);
  const Image c = noise(1, 176, 180);
  EXPECT_NEAR(ssim(c, c), 1, 1e-14);
  EXPECT_NEAR(ms_ssim(c, c), 1, 1e-14);
}

// float64 restatements.
TEST(Ssim, Known_values) {
  const std::vector<Pair> pairs = make_pairs();
  const double whole[] = {.00194214326502, .35040086455880, .97720895152000, .918143916387};
  const double valid[] = {-.00500457206930, .34893725263361, .97779975182426};
  for (size_t i = 0; i < std::size(whole); ++i) EXPECT_NEAR(ssim(pairs[i].a, pairs[i].b), whole[i], 1e-12) << pairs[i].name;
  for (size_t i = 0; i < std::size(valid); ++i) EXPECT_NEAR(ssim_valid(pairs[i].a, pairs[i].b), valid[i], 1e-12) << pairs[i].name;
  EXPECT_NEAR(ms_ssim(pairs[3].a, pairs[3].b), .993989290571, 1e-12);
  EXPECT_NEAR(ms_ssim_valid(pairs[3].a, pairs[3].b), .993989460002, 1e-12);
  EXPECT_NEAR(psnr(pairs[3].a, pairs[3].b), 34.790473377924, 1e-12);
}

TEST(Ssim, Small_pictures_are_refused) {
  EXPECT_THROW(ssim(noise(1, 5, 9), noise(1, 5, 9)), Error);
  EXPECT_THROW(ssim_valid(noise(1, 10, 11), noise(1, 10, 11)), Error);
  EXPECT_THROW(ms_ssim(noise(1, 175, 300), noise(1, 175, 300)), Error);
  EXPECT_THROW(ms_ssim_4(noise(1, 87, 300), noise(1, 87, 300)), Error);
  EXPECT_NEAR(ms_ssim_4(noise(1, 88, 90), noise(1, 88, 90)), 1, 1e-14);
}

TEST(Differences, Mean_and_largest) {
  Image a(2, 1, 3), b(2, 1, 3);
  b.pixels = {1, 0, 0, 0, 0, 5};
  EXPECT_DOUBLE_EQ(mean_absolute_difference(a, b), 1.0);
  EXPECT_DOUBLE_EQ(mean_squared_error(b, a), 26.0 / 6);
  EXPECT_EQ(largest_difference(b, a), 5);
}

TEST(Registry, Lists_of_names) {
  const auto metrics = parse_pair_metrics("ssim,psnr");
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_STREQ(metrics[0]->name, "ssim");
  EXPECT_EQ(parse_pair_metrics("").size(), 3u);
  EXPECT_THROW(parse_pair_metrics("psnr,"), Error);
  EXPECT_THROW(find_pair_metric("fid"), Error);
}

}  // namespace
}  // namespace nibble
