// DPM2: Karras et al. 2022, algorithm 2 with the midpoint in log sigma (k-diffusion's sample_dpm_2).
#include <cmath>

#include "samplers/betas.h"
#include "samplers/dpm2_schedule.h"
#include "samplers/samplers.h"

namespace nibble {
namespace {

Schedule dpm2_schedule(const SchedulerConfig& config, int steps) {
  return midpoint_schedule(config, steps, [](float from, float to) {
    const float high = std::log(from), low = std::log(to);
    return std::exp(high - (high - low) * 0.5f);
  });
}

class Dpm2 final : public Sampler {
 public:
  explicit Dpm2(const SamplerSettings& settings) : Sampler(dpm2_schedule(settings.config, settings.steps)) {}

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Dpm2>(*this); }

 protected:
  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource&) override {
    original_.resize(sample.size());
    const float here = schedule().calls[i].sigma;
    denoise_exploding(schedule().prediction, here, model_output, sample, original_);
    const int first = i - i % 2;
    const float from = sigma(first);
    if (i == first) {
      held_.assign(sample.begin(), sample.end());
      const float middle = i + 1 < calls() ? schedule().calls[i + 1].sigma : 0.0f;
      for (size_t k = 0; k < sample.size(); ++k) sample[k] += (sample[k] - original_[k]) / here * (middle - from);
      return;
    }
    const float dt = sigma(first + 1) - from;
    for (size_t k = 0; k < sample.size(); ++k) sample[k] = held_[k] + (sample[k] - original_[k]) / here * dt;
  }

 private:
  std::vector<float> original_, held_;
};

}  // namespace

std::unique_ptr<Sampler> make_dpm2(const SamplerSettings& settings) { return std::make_unique<Dpm2>(settings); }

}  // namespace nibble
