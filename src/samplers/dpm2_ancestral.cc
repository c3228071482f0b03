// DPM2 ancestral: DPM2 towards a lower level than wanted, then fresh noise up to it
// (k-diffusion's sample_dpm_2_ancestral).
#include <cmath>

#include "samplers/ancestral.h"
#include "samplers/dpm2_schedule.h"
#include "samplers/samplers.h"

namespace nibble {
namespace {

Schedule dpm2_ancestral_schedule(const SchedulerConfig& config, int steps) {
  return midpoint_schedule(config, steps, [](float from, float to) {
    const float high = std::log(from), low = std::log(ancestral_levels(from, to).down);
    return std::exp(low - (low - high) * 0.5f);
  });
}

class Dpm2Ancestral final : public Sampler {
 public:
  explicit Dpm2Ancestral(const SamplerSettings& settings)
      : Sampler(dpm2_ancestral_schedule(settings.config, settings.steps)) {}

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Dpm2Ancestral>(*this); }

 protected:
  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource& noise) override {
    work_.resize(sample.size());
    const float here = schedule().calls[i].sigma;
    denoise_exploding(schedule().prediction, here, model_output, sample, work_);
    const int first = i - i % 2;
    const float from = sigma(first);
    if (i == first) {
      held_.assign(sample.begin(), sample.end());
      const float middle = i + 1 < calls() ? schedule().calls[i + 1].sigma : 0.0f;
      for (size_t k = 0; k < sample.size(); ++k) sample[k] += (sample[k] - work_[k]) / here * (middle - from);
      return;
    }
    const AncestralLevels levels = ancestral_levels(from, sigma(first + 1));
    const float dt = levels.down - from;
    for (size_t k = 0; k < sample.size(); ++k) sample[k] = held_[k] + (sample[k] - work_[k]) / here * dt;
    noise(work_);
    for (size_t k = 0; k < sample.size(); ++k) sample[k] += work_[k] * levels.up;
  }

 private:
  std::vector<float> work_, held_;
};

}  // namespace

std::unique_ptr<Sampler> make_dpm2_ancestral(const SamplerSettings& settings) {
  return std::make_unique<Dpm2Ancestral>(settings);
}

}  // namespace nibble
