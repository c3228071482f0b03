// Euler ancestral: an Euler step to a lower level than wanted, then fresh noise up to it
// (k-diffusion's sample_euler_ancestral).
#include <cmath>

#include "samplers/ancestral.h"
#include "samplers/betas.h"
#include "samplers/samplers.h"
#include "samplers/schedule.h"

namespace nibble {
namespace {

Schedule euler_ancestral_schedule(SchedulerConfig config, int steps) {
  config.use_karras_sigmas = config.use_exponential_sigmas = config.use_beta_sigmas = false;
  const SigmaTable table = make_sigma_table(make_alphas_cumprod(config, ZeroSnr::Floored));
  const SigmaPlan plan = make_sigma_plan(config, table, steps, Rounding::Float32, Bounds::Ignored);
  const std::vector<float> sigmas = with_final_sigma(plan.sigmas, 0.0f);
  return exploding_schedule(config, steps, 1, plan.timesteps, sigmas, sigmas);
}

class EulerAncestral final : public Sampler {
 public:
  explicit EulerAncestral(const SamplerSettings& settings)
      : Sampler(euler_ancestral_schedule(settings.config, settings.steps)) {}

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<EulerAncestral>(*this); }

 protected:
  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource& noise) override {
    work_.resize(sample.size());
    denoise_exploding(schedule().prediction, sigma(i), model_output, sample, work_);
    const float from = sigma(i);
    const AncestralLevels levels = ancestral_levels(from, sigma(i + 1));
    const float dt = levels.down - from;
    for (size_t k = 0; k < sample.size(); ++k) sample[k] += (sample[k] - work_[k]) / from * dt;
    noise(work_);
    for (size_t k = 0; k < sample.size(); ++k) sample[k] += work_[k] * levels.up;
  }

 private:
  std::vector<float> work_;
};

}  // namespace

std::unique_ptr<Sampler> make_euler_ancestral(const SamplerSettings& settings) {
  return std::make_unique<EulerAncestral>(settings);
}

}  // namespace nibble
