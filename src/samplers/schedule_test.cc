// Timesteps, noise levels, training schedules and guidance against diffusers (tests/golden/samplers/schedules), and the
// laws they obey.
#include "samplers/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "samplers/beta_distribution.h"
#include "samplers/betas.h"
#include "samplers/constrain.h"
#include "samplers/guidance.h"
#include "samplers/registry.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

constexpr float kEps = 0x1p-23f;

const GoldenFile& golden() {
  static const GoldenFile file(std::filesystem::path(NIBBLE_SOURCE_DIR) /
                               "tests/golden/samplers/schedules/data.safetensors");
  return file;
}

std::unique_ptr<Sampler> make_case(const Json& item) {
  SamplerOptions options;
  if (item.contains("schedule")) options = parse_sigma_schedule(item["schedule"].get<std::string>());
  if (item.contains("spacing")) options.spacing = parse_timestep_spacing(item["spacing"].get<std::string>());
  return make_sampler(item["config"], item["sampler"].get<std::string>(), options, item["steps"].get<int>());
}

// Timesteps found from sigmas carry the rounding of log sigma (2 eps of at most 4) over its slope, which is at least
// 0.002 a timestep; whole ones are exact. DPM2 finds its midpoints in float32 throughout: five times as much. DPM2
// ancestral has them from sigma_down, which loses (from / to)^2 units, here up to 500^2.
float timestep_limit(const Json& item, int call) {
  const std::string name = item["sampler"].get<std::string>();
  const bool midpoint = (name == "dpm2" || name == "dpm2_a" || name == "dpmpp_sde") && call % 2 == 1;
  if (midpoint) return name == "dpm2_a" ? 1e-2f : 2.5e-3f;
  return item.contains("schedule") ? 5e-4f : 0.0f;
}

TEST(Schedule, EqualsDiffusers) {
  const Json cases = parse_json(golden().text("cases"), "cases");
  const auto counts = golden()["counts"].values<int32_t>();
  const auto timesteps = golden()["timesteps"].values<float>(), sigmas = golden()["sigmas"].values<float>();
  size_t t = 0, s = 0;
  for (size_t k = 0; k < cases.size(); ++k) {
    SCOPED_TRACE(cases[k].dump());
    const std::unique_ptr<Sampler> sampler = make_case(cases[k]);
    const size_t calls = static_cast<size_t>(counts[2 * k]), levels = static_cast<size_t>(counts[2 * k + 1]);
    ASSERT_EQ(sampler->timesteps().size(), calls);
    for (size_t i = 0; i < calls; ++i) {
      EXPECT_NEAR(sampler->timesteps()[i], timesteps[t + i], timestep_limit(cases[k], static_cast<int>(i))) << i;
    }
    const std::vector<float>& found = sampler->schedule().sigmas;
    if (!found.empty()) {
      ASSERT_EQ(found.size(), levels);
      for (size_t i = 0; i < levels; ++i) EXPECT_NEAR(found[i], sigmas[s + i], 4 * kEps * sigmas[s + i]) << i;
    }
    t += calls;
    s += levels;
  }
  EXPECT_EQ(t, timesteps.size());
  EXPECT_EQ(s, sigmas.size());
}

TEST(Betas, CumulativeProductsEqualDiffusers) {
  const Json configs = parse_json(golden().text("betas"), "betas");
  const auto want = golden()["alphas_cumprod"].values<float>();
  size_t next = 0;
  for (const Json& item : configs) {
    SCOPED_TRACE(item.dump().substr(0, 200));
    const SchedulerConfig config = read_scheduler_config(item, {});
    const std::vector<float> alphas = make_alphas_cumprod(config, ZeroSnr::Exact);
    // torch's sqrt over arrays is off by 1 unit now and then, which the rescale turns into that share of a root (times
    // 3 for the operations after it); squared and summed over the products of 1 - beta it stays below 16 units of 1.
    const float limit = config.rescale_betas_zero_snr ? 16 * kEps : 1 * kEps;
    for (size_t k = 0; k < alphas.size(); k += 37) {
      EXPECT_NEAR(alphas[k], want[next], config.rescale_betas_zero_snr ? limit : limit * want[next]) << k;
      ++next;
    }
    EXPECT_NEAR(alphas.back(), want[next++], limit);
    if (config.rescale_betas_zero_snr) {
      EXPECT_EQ(alphas.back(), 0.0f);
    }
  }
  EXPECT_EQ(next, want.size());
}

TEST(Betas, RescaleKeepsTheFirstAndEndsAtZero) {
  const std::vector<float> betas = make_betas(SchedulerConfig());
  const std::vector<float> before = cumulative_alphas(betas);
  const std::vector<float> after = cumulative_alphas(rescale_zero_terminal_snr(betas));
  EXPECT_NEAR(after.front(), before.front(), 4 * kEps);
  EXPECT_EQ(after.back(), 0.0f);
  for (size_t t = 1; t < after.size(); ++t) EXPECT_LT(after[t], after[t - 1]);
}

TEST(Betas, RefusesOnesOutside) {
  SchedulerConfig config;
  config.beta_end = 1.5;
  EXPECT_THROW(make_betas(config), Error);
  config.beta_end = std::nan("");
  EXPECT_THROW(make_betas(config), Error);
}

TEST(Guidance, EqualsDiffusers) {
  const auto negative = golden()["guidance.negative"].values<float>();
  const auto positive = golden()["guidance.positive"].values<float>();
  const auto combined = golden()["guidance.combined"].values<float>();
  const auto rescaled = golden()["guidance.rescaled"].values<float>();
  std::vector<float> out(negative.size());
  combine_guidance(negative, positive, 7.5f, out);
  for (size_t k = 0; k < out.size(); ++k) EXPECT_EQ(out[k], combined[k]);
  rescale_guidance(out, positive, 0.7f);
  for (size_t k = 0; k < out.size(); ++k) EXPECT_NEAR(out[k], rescaled[k], 4 * kEps * std::fabs(rescaled[k]));
}

TEST(BetaDistribution, QuantilesInvertKnownOnes) {
  // Beta(1, 1) is uniform; Beta(1/2, 1/2) has the quantile sin^2(pi p / 2); Beta(2, 1) has sqrt(p).
  for (int i = 0; i <= 40; ++i) {
    const double p = i / 40.0, sine = std::sin(std::acos(-1.0) * p / 2);
    EXPECT_NEAR(beta_quantile(p, 1, 1), p, 1e-14);
    EXPECT_NEAR(beta_quantile(p, 0.5, 0.5), sine * sine, 1e-14);
    EXPECT_NEAR(beta_quantile(p, 2, 1), std::sqrt(p), 1e-14);
  }
}

TEST(Constrain, ThresholdScalesByTheQuantile) {
  std::vector<float> x{-4, -3, -2, -1, 0, 1, 2, 3, 4};  // |x| sorted: 0 1 1 2 2 3 3 4 4
  dynamic_threshold(x, 0.5, 10);                        // the median, 2
  EXPECT_EQ(x, (std::vector<float>{-1, -1, -1, -0.5, 0, 0.5, 1, 1, 1}));
  std::vector<float> damaged{std::nanf(""), 3, -1, 2};
  dynamic_threshold(damaged, 0.5, 2);
  EXPECT_EQ(damaged[2], -0.5f);
  std::vector<float> small{-0.5, 0.25};
  dynamic_threshold(small, 0.995, 10);  // below 1 nothing changes
  EXPECT_EQ(small, (std::vector<float>{-0.5, 0.25}));
}

TEST(Interpolate, IsConstantOutside) {
  const std::vector<float> table{1, 3, 4};
  EXPECT_EQ(interpolate(table, -1), 1);
  EXPECT_EQ(interpolate(table, 0.5), 2);
  EXPECT_EQ(interpolate(table, 1), 3);
  EXPECT_EQ(interpolate(table, 9), 4);
}

}  // namespace
}  // namespace nibble
