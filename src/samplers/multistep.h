// What the DPM-Solver family (DPM++ 2M, UniPC) shares: the schedule and the levels as alpha, sigma and lambda.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "samplers/schedule.h"

namespace nibble {

// lambda = log(alpha / sigma), half the log signal-to-noise ratio.
struct LogSnr {
  float alpha, sigma, lambda;
};
inline LogSnr log_snr(float sigma) {
  const float alpha = 1.0f / std::sqrt(sigma * sigma + 1.0f), scaled = sigma * alpha;
  return {.alpha = alpha, .sigma = scaled, .lambda = std::log(alpha) - std::log(scaled)};
}

// Where DPM++ 2M and UniPC part.
struct MultistepRules {
  bool clip_lambda = false;        // lambda_min_clipped cuts the noisiest timesteps
  bool keep_cosine_times = false;  // Karras timesteps are not rounded for squaredcos_cap_v2
  bool last_of_spread = false;     // final_sigmas_type "sigma_min" means the last spread level, not the table's first
};

// sample = alpha * original + sigma * noise with whole timesteps.
Schedule multistep_schedule(const SchedulerConfig& config, int steps, std::span<const float> alphas_cumprod,
                            const MultistepRules& rules);

// The model's output as noise: sample = alpha * original + sigma * epsilon. `out` may be `model_output`.
void predict_noise(PredictionType prediction, float alpha, float sigma, std::span<const float> model_output,
                   std::span<const float> sample, std::span<float> out);

}  // namespace nibble
