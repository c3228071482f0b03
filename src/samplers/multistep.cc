#include "samplers/multistep.h"

#include <algorithm>

#include "samplers/betas.h"

namespace nibble {
namespace {

// The number of training timesteps whose lambda is not below the clip.
int kept_timesteps(const SchedulerConfig& config, std::span<const float> alphas_cumprod) {
  const auto below = [&](float product) {
    return std::log(std::sqrt(product)) - std::log(std::sqrt(1.0f - product)) < config.lambda_min_clipped;
  };
  const auto clipped = std::count_if(alphas_cumprod.begin(), alphas_cumprod.end(), below);
  return std::max(1, config.num_train_timesteps - static_cast<int>(clipped));
}

std::vector<double> lu_sigmas(const SigmaTable& table, int steps) {
  const double high = table.log_sigmas.back(), low = table.log_sigmas.front();
  std::vector<double> out;
  for (const double ramp : linspace(0, 1, steps)) out.push_back(std::exp(high + ramp * (low - high)));
  return out;
}

SigmaPlan spread_plan(const SchedulerConfig& config, const SigmaTable& table, int steps, const MultistepRules& rules) {
  const SigmaSchedule kind = config.sigma_schedule();
  SigmaPlan plan;
  if (kind == SigmaSchedule::Lu) {
    plan.sigmas = lu_sigmas(table, steps);
  } else {
    plan.sigmas = spread_sigmas(kind, config.sigma_max.value_or(table.sigmas.back()),
                                config.sigma_min.value_or(table.sigmas.front()), steps);
  }
  const bool cosine = rules.keep_cosine_times && config.beta_schedule == BetaSchedule::SquaredCosine;
  const bool round = (kind == SigmaSchedule::Karras || kind == SigmaSchedule::Lu) && !cosine;
  for (const double sigma : plan.sigmas) {
    const double t = sigma_to_timestep(sigma, table.log_sigmas);
    plan.timesteps.push_back(std::trunc(round ? std::nearbyint(t) : t));
  }
  return plan;
}

}  // namespace

Schedule multistep_schedule(const SchedulerConfig& config, int steps, std::span<const float> alphas_cumprod,
                            const MultistepRules& rules) {
  check_steps(config, steps);
  const SigmaTable table = make_sigma_table(alphas_cumprod);
  const bool normal = config.sigma_schedule() == SigmaSchedule::Normal;
  SigmaPlan plan;
  if (normal) {
    const int last = rules.clip_lambda ? kept_timesteps(config, alphas_cumprod) : config.num_train_timesteps;
    plan.timesteps = multistep_timesteps(config, steps, last);
    for (const double t : plan.timesteps) plan.sigmas.push_back(interpolate(table.sigmas, t));
  } else {
    plan = spread_plan(config, table, steps, rules);
  }
  float final_sigma = 0.0f;
  if (config.final_sigmas_type == FinalSigma::SigmaMin) {
    final_sigma = rules.last_of_spread && !normal ? static_cast<float>(plan.sigmas.back()) : table.sigmas.front();
  }

  Schedule schedule{.space = SampleSpace::VariancePreserving, .prediction = config.prediction_type, .steps = steps};
  schedule.sigmas = with_final_sigma(plan.sigmas, final_sigma);
  for (size_t i = 0; i < plan.timesteps.size(); ++i) {
    const LogSnr level = log_snr(schedule.sigmas[i]);
    schedule.calls.push_back({.timestep = static_cast<float>(plan.timesteps[i]),
                              .signal = level.alpha,
                              .noise = level.sigma,
                              .input_divisor = 1,
                              .alpha = level.alpha,
                              .sigma = level.sigma});
  }
  return schedule;
}

void predict_noise(PredictionType prediction, float alpha, float sigma, std::span<const float> model_output,
                   std::span<const float> sample, std::span<float> out) {
  switch (prediction) {
    case PredictionType::Epsilon:
      std::copy(model_output.begin(), model_output.end(), out.begin());
      break;
    case PredictionType::Sample:
      for (size_t k = 0; k < out.size(); ++k) out[k] = (sample[k] - alpha * model_output[k]) / sigma;
      break;
    case PredictionType::Velocity:
      for (size_t k = 0; k < out.size(); ++k) out[k] = alpha * model_output[k] + sigma * sample[k];
      break;
  }
}

}  // namespace nibble
