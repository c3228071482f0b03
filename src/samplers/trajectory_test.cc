// Whole runs of every sampler against diffusers (tests/golden/samplers/trajectories).
//
// Both sides do the same float32 operations in the same order; they differ where numpy, torch (with its vector math
// library, which does not even round sqrt as IEEE does) and the C library round sqrt, log, exp and pow of the few
// numbers of a schedule differently, by at most 2 units in the last place. That shifts lambda (of size up to about 8)
// by 1e-6 and a sample by that share of the model's prediction.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>

#include "samplers/registry.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

constexpr float kFloatEps = 0x1p-23f;

float largest(std::span<const float> x) {
  float out = 0;
  for (const float value : x) out = std::max(out, std::fabs(value));
  return out;
}

float difference(std::span<const float> a, std::span<const float> b) {
  float out = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    const float d = std::fabs(a[k] - b[k]);
    if (!(d <= out)) out = d;
  }
  return out;
}

SamplerOptions options_of(const Json& item) {
  SamplerOptions options;
  if (item.contains("schedule")) options = parse_sigma_schedule(item["schedule"].get<std::string>());
  if (item.contains("spacing")) options.spacing = parse_timestep_spacing(item["spacing"].get<std::string>());
  if (item.contains("eta")) options.eta = item["eta"].get<double>();
  return options;
}

class Case {
 public:
  Case(const GoldenFile& golden, const Json& item, size_t index)
      : golden_(golden), item_(item), prefix_(format("{}.", index)) {
    const std::string name = item["sampler"].get<std::string>();
    sampler_ = make_sampler(item["config"], name, options_of(item), item["steps"].get<int>());
    start_ = item["start"].get<int>();
  }

  Sampler& sampler() { return *sampler_; }
  int start() const { return start_; }
  bool has(const char* name) const { return golden_.has(prefix_ + name); }
  std::span<const float> values(const char* name) const { return golden_[prefix_ + name].values<float>(); }
  std::span<const float> shared(const char* name) const { return golden_[name].values<float>(); }
  // The sample before call i.
  std::span<const float> track(int i) const {
    const size_t size = shared("pattern").size();
    return values("x").subspan(static_cast<size_t>(i - start_) * size, size);
  }

  std::vector<float> model(int i, std::span<const float> sample) const {
    std::vector<float> out(sample.size());
    sampler_->scale_model_input(i, sample, out);
    const std::span<const float> c = values("c").subspan(static_cast<size_t>(i) * 2, 2), pattern = shared("pattern");
    for (size_t k = 0; k < out.size(); ++k) out[k] = c[0] * out[k] + c[1] * pattern[k];
    return out;
  }

  NoiseSource pool() {
    draws_ = 0;
    return [this](std::span<float> out) {
      const std::span<const float> all = shared("pool");
      ASSERT_LE((draws_ + 1) * out.size(), all.size());
      std::copy_n(all.begin() + static_cast<ptrdiff_t>(draws_++ * out.size()), out.size(), out.begin());
    };
  }

  // DPM2 ancestral places its midpoint by sigma_down^2 = to^2 - up^2, which loses (from / to)^2 units, and calls the
  // model there: its own errors are larger.
  bool ill_conditioned() const { return item_["sampler"] == "dpm2_a"; }

  // 8 units for the step's own operations, 16 for the levels; relative to the largest number of the step.
  float step_limit(int i, std::span<const float> output) const {
    const ModelCall& call = sampler_->schedule().calls[i - i % sampler_->schedule().order];
    const float moved = sampler_->schedule().space == SampleSpace::VarianceExploding ? call.sigma : 1.0f;
    const float units = ill_conditioned() ? 96 : 24;
    return units * kFloatEps * std::max({largest(track(i)), largest(track(i + 1)), moved * largest(output)});
  }

 private:
  const GoldenFile& golden_;
  const Json& item_;
  std::string prefix_;
  std::unique_ptr<Sampler> sampler_;
  int start_ = 0;
  size_t draws_ = 0;
};

void check_schedule(Case& c, const Json& item) {
  const Schedule& schedule = c.sampler().schedule();
  const std::span<const float> want = c.values("timesteps"), got = c.sampler().timesteps();
  ASSERT_EQ(got.size(), want.size());
  // A fractional timestep moves by the error of log sigma (2 eps of at most 4) over its slope (at least 0.002).
  for (size_t i = 0; i < want.size(); ++i) {
    const float limit = c.ill_conditioned() ? 1e-2f : 1e-3f;
    EXPECT_NEAR(got[i], want[i], schedule.space == SampleSpace::VariancePreserving ? 0 : limit) << "timestep " << i;
  }
  EXPECT_NEAR(c.sampler().init_noise_sigma(), item["init_noise_sigma"].get<float>(),
              4 * kFloatEps * item["init_noise_sigma"].get<float>());
  if (!schedule.sigmas.empty()) {
    const std::span<const float> sigmas = c.values("sigmas");
    ASSERT_EQ(schedule.sigmas.size(), sigmas.size());
    // The rescale to zero terminal SNR subtracts the last root of alpha: at the levels used here, that makes the units
    // of a root at most 8 times larger.
    const float units = item["config"].value("rescale_betas_zero_snr", false) ? 32 : 4;
    for (size_t i = 0; i < sigmas.size(); ++i) {
      EXPECT_NEAR(schedule.sigmas[i], sigmas[i], units * kFloatEps * sigmas[i]) << i;
    }
  }
}

void check_start(Case& c, const Json& item) {
  const std::span<const float> noise = c.shared("noise"), original = c.shared("original");
  std::vector<float> first(noise.size());
  if (item.contains("strength")) {
    ASSERT_EQ(c.sampler().start_index(item["strength"].get<double>()), c.start());
    c.sampler().add_noise(c.start(), original, noise, first);
  } else {
    for (size_t k = 0; k < first.size(); ++k) first[k] = noise[k] * c.sampler().init_noise_sigma();
  }
  EXPECT_LE(difference(first, c.track(c.start())), 4 * kFloatEps * largest(first));
}

// Each step from diffusers' own sample and history.
float check_steps(Case& c) {
  float worst = 0;
  c.sampler().start(c.start());
  const NoiseSource noise = c.pool();
  for (int i = c.start(); i < c.sampler().calls(); ++i) {
    std::vector<float> sample(c.track(i).begin(), c.track(i).end());
    const std::vector<float> output = c.model(i, sample);
    c.sampler().step(i, output, sample, noise);
    const float limit = c.step_limit(i, output), found = difference(sample, c.track(i + 1));
    EXPECT_LE(found, limit) << "step " << i << " of " << c.sampler().calls();
    worst = std::max(worst, found / limit);
  }
  return worst;
}

// The run on its own samples: errors of the steps add up, and the toy model grows none of them.
float check_run(Case& c) {
  c.sampler().start(c.start());
  const NoiseSource noise = c.pool();
  std::vector<float> sample(c.track(c.start()).begin(), c.track(c.start()).end());
  float limit = 0, worst = 0;
  for (int i = c.start(); i < c.sampler().calls(); ++i) {
    const std::vector<float> output = c.model(i, sample);
    limit += 2 * c.step_limit(i, output);
    c.sampler().step(i, output, sample, noise);
    const float found = difference(sample, c.track(i + 1));
    EXPECT_LE(found, limit) << "call " << i << " of " << c.sampler().calls();
    worst = std::max(worst, found / limit);
  }
  return worst;
}

class Trajectory : public testing::TestWithParam<const char*> {};

TEST_P(Trajectory, EqualsDiffusers) {
  const std::filesystem::path folder = std::filesystem::path(NIBBLE_SOURCE_DIR) / "tests/golden/samplers/trajectories";
  const GoldenFile golden(folder / format("{}.safetensors", GetParam()));
  const Json cases = parse_json(golden.text("cases"), "cases");
  ASSERT_GE(cases.size(), 10u);
  float worst_step = 0, worst_run = 0;
  for (size_t k = 0; k < cases.size(); ++k) {
    SCOPED_TRACE(cases[k].dump());
    Case c(golden, cases[k], k);
    check_schedule(c, cases[k]);
    if (HasFatalFailure()) return;
    check_start(c, cases[k]);
    worst_step = std::max(worst_step, check_steps(c));
    worst_run = std::max(worst_run, check_run(c));
  }
  std::printf("%s: %zu cases, worst step %.3f and worst run %.3f of their limits\n", GetParam(), cases.size(),
              worst_step, worst_run);
}

INSTANTIATE_TEST_SUITE_P(All, Trajectory,
                         testing::Values("pndm", "ddim", "ddpm", "euler", "euler_a", "heun", "dpm2", "dpm2_a",
                                         "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde", "unipc", "lms", "lcm", "tcd"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace nibble
