// Euler: Karras et al. 2022, algorithm 2 without churn.
#include <cmath>

#include "base/error.h"
#include "samplers/betas.h"
#include "samplers/samplers.h"
#include "samplers/schedule.h"

namespace nibble {
namespace {

// "log_linear" puts steps + 1 levels evenly in log sigma; the timesteps stay those of the spacing.
std::vector<double> log_linear_sigmas(const SigmaTable& table, int steps) {
  std::vector<double> out;
  for (const double x : linspace(table.log_sigmas.back(), table.log_sigmas.front(), steps + 1)) {
    out.push_back(std::exp(static_cast<float>(x)));
  }
  return out;
}

Schedule euler_schedule(const SchedulerConfig& config, int steps) {
  const SigmaTable table = make_sigma_table(make_alphas_cumprod(config, ZeroSnr::Floored));
  SigmaPlan plan = make_sigma_plan(config, table, steps, Rounding::Float32, Bounds::FromConfig);
  if (config.interpolation_type == "log_linear") {
    if (config.sigma_schedule() == SigmaSchedule::Normal) plan.sigmas = log_linear_sigmas(table, steps);
  } else if (config.interpolation_type != "linear") {
    fail(ErrorCode::InvalidArgument, "interpolation_type: want linear or log_linear; found {}",
         config.interpolation_type);
  }
  const float last = config.final_sigmas_type == FinalSigma::SigmaMin ? table.sigmas.front() : 0.0f;
  const std::vector<float> sigmas = with_final_sigma(plan.sigmas, last);
  if (config.continuous_timesteps && config.prediction_type == PredictionType::Velocity) {
    for (size_t i = 0; i < plan.timesteps.size(); ++i) plan.timesteps[i] = 0.25f * std::log(sigmas[i]);
  }
  return exploding_schedule(config, steps, 1, plan.timesteps, sigmas, sigmas);
}

class Euler final : public Sampler {
 public:
  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Euler>(*this); }

  explicit Euler(const SamplerSettings& settings) : Sampler(euler_schedule(settings.config, settings.steps)) {}

 protected:
  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource&) override {
    original_.resize(sample.size());
    denoise_exploding(schedule().prediction, sigma(i), model_output, sample, original_);
    const float from = sigma(i), dt = sigma(i + 1) - from;
    for (size_t k = 0; k < sample.size(); ++k) sample[k] += (sample[k] - original_[k]) / from * dt;
  }

 private:
  std::vector<float> original_;
};

}  // namespace

std::unique_ptr<Sampler> make_euler(const SamplerSettings& settings) { return std::make_unique<Euler>(settings); }

}  // namespace nibble
