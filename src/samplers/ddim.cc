// DDIM: Song et al. 2021, "Denoising Diffusion Implicit Models", eq. 12 and 16.
#include <cmath>

#include "base/error.h"
#include "samplers/betas.h"
#include "samplers/constrain.h"
#include "samplers/samplers.h"
#include "samplers/schedule.h"

namespace nibble {
namespace {

Schedule ddim_schedule(const SchedulerConfig& config, int steps, std::span<const float> alphas) {
  check_steps(config, steps);
  return preserving_schedule(config, steps, spaced_timesteps(config, steps, Rounding::Whole), alphas);
}

class Ddim final : public Sampler {
 public:
  Ddim(const SamplerSettings& settings, std::vector<float> alphas)
      : Sampler(ddim_schedule(settings.config, settings.steps, alphas)),
        config_(settings.config),
        eta_(static_cast<float>(settings.eta.value_or(0.0))),
        alphas_(std::move(alphas)) {
    if (!(eta_ >= 0 && eta_ <= 1)) fail(ErrorCode::InvalidArgument, "eta: want 0 to 1; found {}", eta_);
  }

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Ddim>(*this); }

 protected:
  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource& noise) override {
    const int t = static_cast<int>(timesteps()[i]);
    const int previous = t - config_.num_train_timesteps / schedule().steps;
    const float product = alphas_[t], product_previous = previous >= 0 ? alphas_[previous] : final_product();
    const float beta = 1.0f - product, alpha_root = std::sqrt(product), beta_root = std::sqrt(beta);

    original_.resize(sample.size());
    epsilon_.resize(sample.size());
    denoise_preserving(config_.prediction_type, alpha_root, beta_root, model_output, sample, original_);
    predict_epsilon(alpha_root, beta_root, model_output, sample);
    if (config_.thresholding) {
      dynamic_threshold(original_, config_.dynamic_thresholding_ratio, config_.sample_max_value);
    } else if (config_.clip_sample) {
      clip_sample(original_, static_cast<float>(config_.clip_sample_range));
    }

    const float variance = (1.0f - product_previous) / beta * (1.0f - product / product_previous);
    const float deviation = eta_ * std::sqrt(variance);
    const float direction = std::sqrt(1.0f - product_previous - deviation * deviation);
    const float keep = std::sqrt(product_previous);
    for (size_t k = 0; k < sample.size(); ++k) sample[k] = keep * original_[k] + direction * epsilon_[k];
    if (eta_ > 0) {
      noise(epsilon_);
      for (size_t k = 0; k < sample.size(); ++k) sample[k] += deviation * epsilon_[k];
    }
  }

 private:
  float final_product() const { return config_.set_alpha_to_one ? 1.0f : alphas_[0]; }

  void predict_epsilon(float alpha, float sigma, std::span<const float> model_output, std::span<const float> sample) {
    switch (config_.prediction_type) {
      case PredictionType::Epsilon:
        epsilon_.assign(model_output.begin(), model_output.end());
        break;
      case PredictionType::Sample:
        for (size_t k = 0; k < sample.size(); ++k) epsilon_[k] = (sample[k] - alpha * model_output[k]) / sigma;
        break;
      case PredictionType::Velocity:
        for (size_t k = 0; k < sample.size(); ++k) epsilon_[k] = alpha * model_output[k] + sigma * sample[k];
        break;
    }
  }

  SchedulerConfig config_;
  float eta_;
  std::vector<float> alphas_;
  std::vector<float> original_, epsilon_;
};

}  // namespace

std::unique_ptr<Sampler> make_ddim(const SamplerSettings& settings) {
  return std::make_unique<Ddim>(settings, make_alphas_cumprod(settings.config, ZeroSnr::Exact));
}

}  // namespace nibble
