// DDPM: Ho et al. 2020, eq. 6 and 7, over any descending timesteps.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "samplers/betas.h"
#include "samplers/constrain.h"
#include "samplers/samplers.h"
#include "samplers/schedule.h"

namespace nibble {
namespace {

Schedule ddpm_schedule(const SchedulerConfig& config, int steps, std::span<const float> alphas) {
  check_steps(config, steps);
  return preserving_schedule(config, steps, spaced_timesteps(config, steps, Rounding::Whole), alphas);
}

class Ddpm final : public Sampler {
 public:
  Ddpm(const SamplerSettings& settings, std::vector<float> alphas)
      : Sampler(ddpm_schedule(settings.config, settings.steps, alphas)),
        config_(settings.config),
        alphas_(std::move(alphas)) {
    const std::string& type = config_.variance_type;
    if (type != "fixed_small" && type != "fixed_small_log" && type != "fixed_large") {
      fail(ErrorCode::Unsupported, "variance_type: want fixed_small, fixed_small_log or fixed_large; found {}", type);
    }
  }

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Ddpm>(*this); }

 protected:
  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource& noise) override {
    const int t = static_cast<int>(timesteps()[i]);
    const float product = alphas_[t];
    const float product_previous = i + 1 < calls() ? alphas_[static_cast<int>(timesteps()[i + 1])] : 1.0f;
    const float beta = 1.0f - product, beta_previous = 1.0f - product_previous;
    const float alpha_now = product / product_previous, beta_now = 1.0f - alpha_now;

    work_.resize(sample.size());
    denoise_preserving(config_.prediction_type, std::sqrt(product), std::sqrt(beta), model_output, sample, work_);
    if (config_.thresholding) {
      dynamic_threshold(work_, config_.dynamic_thresholding_ratio, config_.sample_max_value);
    } else if (config_.clip_sample) {
      clip_sample(work_, static_cast<float>(config_.clip_sample_range));
    }
    const float original_weight = std::sqrt(product_previous) * beta_now / beta;
    const float sample_weight = std::sqrt(alpha_now) * beta_previous / beta;
    for (size_t k = 0; k < sample.size(); ++k) sample[k] = original_weight * work_[k] + sample_weight * sample[k];
    if (t == 0) return;

    noise(work_);
    const float deviation = noise_deviation(std::max(beta_previous / beta * beta_now, 1e-20f), beta_now);
    for (size_t k = 0; k < sample.size(); ++k) sample[k] += deviation * work_[k];
  }

 private:
  float noise_deviation(float variance, float beta_now) const {
    if (config_.variance_type == "fixed_small_log") return std::exp(0.5f * std::log(variance));
    return std::sqrt(config_.variance_type == "fixed_large" ? beta_now : variance);
  }

  SchedulerConfig config_;
  std::vector<float> alphas_;
  std::vector<float> work_;
};

}  // namespace

std::unique_ptr<Sampler> make_ddpm(const SamplerSettings& settings) {
  return std::make_unique<Ddpm>(settings, make_alphas_cumprod(settings.config, ZeroSnr::Exact));
}

}  // namespace nibble
