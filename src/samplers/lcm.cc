// LCM: Luo et al. 2023, "Latent Consistency Models", algorithm 3 with the boundary scalings of eq. 9.
#include <cmath>

#include "samplers/betas.h"
#include "samplers/constrain.h"
#include "samplers/distilled_timesteps.h"
#include "samplers/samplers.h"
#include "samplers/schedule.h"

namespace nibble {
namespace {

constexpr float kSigmaData = 0.5f;

class Lcm final : public Sampler {
 public:
  Lcm(const SamplerSettings& settings, std::span<const float> alphas)
      : Sampler(preserving_schedule(settings.config, settings.steps,
                                    distilled_timesteps(settings.config, settings.steps), alphas)),
        config_(settings.config) {}

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Lcm>(*this); }

 protected:
  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource& noise) override {
    const ModelCall& call = schedule().calls[i];
    work_.resize(sample.size());
    denoise_preserving(config_.prediction_type, call.alpha, call.sigma, model_output, sample, work_);
    if (config_.thresholding) {
      dynamic_threshold(work_, config_.dynamic_thresholding_ratio, config_.sample_max_value);
    } else if (config_.clip_sample) {
      clip_sample(work_, static_cast<float>(config_.clip_sample_range));
    }
    const float scaled = call.timestep * static_cast<float>(config_.timestep_scaling);
    const float square = scaled * scaled + kSigmaData * kSigmaData;
    const float skip = kSigmaData * kSigmaData / square, out = scaled / std::sqrt(square);
    for (size_t k = 0; k < sample.size(); ++k) sample[k] = out * work_[k] + skip * sample[k];
    if (i + 1 == calls()) return;

    const ModelCall& next = schedule().calls[i + 1];
    noise(work_);
    for (size_t k = 0; k < sample.size(); ++k) sample[k] = next.alpha * sample[k] + next.sigma * work_[k];
  }

 private:
  SchedulerConfig config_;
  std::vector<float> work_;
};

}  // namespace

std::unique_ptr<Sampler> make_lcm(const SamplerSettings& settings) {
  return std::make_unique<Lcm>(settings, make_alphas_cumprod(settings.config, ZeroSnr::Exact));
}

}  // namespace nibble
