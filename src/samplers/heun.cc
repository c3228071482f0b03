// Heun: Karras et al. 2022, algorithm 1 (without churn). Two model calls a step, one for the last.
#include <algorithm>
#include <cmath>

#include "samplers/betas.h"
#include "samplers/constrain.h"
#include "samplers/samplers.h"
#include "samplers/schedule.h"

namespace nibble {
namespace {

// s0 s1 s1 s2 s2 ... 0: call 2k leaves s_k, call 2k + 1 looks back from s_(k+1).
Schedule heun_schedule(const SchedulerConfig& config, int steps) {
  const SigmaTable table = make_sigma_table(make_alphas_cumprod(config, ZeroSnr::Ignored));
  const SigmaPlan plan = make_sigma_plan(config, table, steps, Rounding::Float32, Bounds::FromConfig);
  std::vector<float> sigmas{static_cast<float>(plan.sigmas[0])};
  std::vector<double> timesteps{plan.timesteps[0]};
  for (size_t i = 1; i < plan.sigmas.size(); ++i) {
    sigmas.insert(sigmas.end(), 2, static_cast<float>(plan.sigmas[i]));
    timesteps.insert(timesteps.end(), 2, plan.timesteps[i]);
  }
  sigmas.push_back(0.0f);
  return exploding_schedule(config, steps, 2, timesteps, sigmas, sigmas);
}

class Heun final : public Sampler {
 public:
  explicit Heun(const SamplerSettings& settings)
      : Sampler(heun_schedule(settings.config, settings.steps)), config_(settings.config) {}

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Heun>(*this); }

 protected:
  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource&) override {
    original_.resize(sample.size());
    denoise_exploding(config_.prediction_type, sigma(i), model_output, sample, original_);
    if (config_.clip_sample) clip_sample(original_, static_cast<float>(config_.clip_sample_range));
    const float here = sigma(i);
    if (i % 2 == 0) {
      const float dt = sigma(i + 1) - here;
      held_.assign(sample.begin(), sample.end());
      slope_.resize(sample.size());
      for (size_t k = 0; k < sample.size(); ++k) {
        slope_[k] = (sample[k] - original_[k]) / here;
        sample[k] += slope_[k] * dt;
      }
      return;
    }
    const float dt = here - sigma(i - 1);
    for (size_t k = 0; k < sample.size(); ++k) {
      const float slope = (sample[k] - original_[k]) / here;
      sample[k] = held_[k] + (slope_[k] + slope) / 2.0f * dt;
    }
  }

 private:
  SchedulerConfig config_;
  std::vector<float> original_, slope_, held_;
};

}  // namespace

std::unique_ptr<Sampler> make_heun(const SamplerSettings& settings) { return std::make_unique<Heun>(settings); }

}  // namespace nibble
