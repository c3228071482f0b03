// TCD: Zheng et al. 2024, "Trajectory Consistency Distillation", strategic stochastic sampling (algorithm 4); eta is
// its gamma.
#include <cmath>

#include "base/error.h"
#include "samplers/betas.h"
#include "samplers/distilled_timesteps.h"
#include "samplers/samplers.h"
#include "samplers/schedule.h"

namespace nibble {
namespace {

constexpr double kDefaultEta = 0.3;

class Tcd final : public Sampler {
 public:
  Tcd(const SamplerSettings& settings, std::vector<float> alphas)
      : Sampler(preserving_schedule(settings.config, settings.steps,
                                    distilled_timesteps(settings.config, settings.steps), alphas)),
        prediction_(settings.config.prediction_type),
        eta_(settings.eta.value_or(kDefaultEta)),
        alphas_(std::move(alphas)) {
    if (!(eta_ >= 0 && eta_ <= 1)) fail(ErrorCode::InvalidArgument, "eta: want 0 to 1; found {}", eta_);
  }

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Tcd>(*this); }

 protected:
  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource& noise) override {
    const ModelCall& call = schedule().calls[i];
    const bool last = i + 1 == calls();
    const float previous = last ? 0.0f : timesteps()[i + 1];
    const float product_previous = alphas_[static_cast<size_t>(previous)];
    const float product_s = alphas_[static_cast<size_t>(std::floor(static_cast<float>(1.0 - eta_) * previous))];

    work_.resize(sample.size());
    denoise_preserving(prediction_, call.alpha, call.sigma, model_output, sample, work_);
    const float keep = std::sqrt(product_s), direction = std::sqrt(1.0f - product_s);
    for (size_t k = 0; k < sample.size(); ++k) {
      const float epsilon = predicted_noise(call, model_output[k], sample[k]);
      sample[k] = keep * work_[k] + direction * epsilon;
    }
    if (eta_ == 0 || last) return;

    noise(work_);
    const float ratio = product_previous / product_s, scale = std::sqrt(ratio), fresh = std::sqrt(1.0f - ratio);
    for (size_t k = 0; k < sample.size(); ++k) sample[k] = scale * sample[k] + fresh * work_[k];
  }

 private:
  float predicted_noise(const ModelCall& call, float output, float sample) const {
    if (prediction_ == PredictionType::Epsilon) return output;
    if (prediction_ == PredictionType::Sample) return (sample - call.alpha * output) / call.sigma;
    return call.alpha * output + call.sigma * sample;
  }

  PredictionType prediction_;
  double eta_;
  std::vector<float> alphas_;
  std::vector<float> work_;
};

}  // namespace

std::unique_ptr<Sampler> make_tcd(const SamplerSettings& settings) {
  return std::make_unique<Tcd>(settings, make_alphas_cumprod(settings.config, ZeroSnr::Exact));
}

}  // namespace nibble
