// The training noise schedule: betas and the cumulative products of 1 - beta, in float32 as torch computes them.
#pragma once

#include <span>
#include <vector>

#include "samplers/scheduler_config.h"

namespace nibble {

// num_train_timesteps values in [0, 1). Throws Error{InvalidArgument} when the configuration gives others.
std::vector<float> make_betas(const SchedulerConfig& config);

// Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", algorithm 1: the last timestep
// carries no signal.
std::vector<float> rescale_zero_terminal_snr(std::span<const float> betas);

// alphas_cumprod[t] = product of 1 - beta[0..t]; products accumulate in double, as torch.cumprod does.
std::vector<float> cumulative_alphas(std::span<const float> betas);

enum class ZeroSnr {
  Ignored,  // the diffusers class has no rescale_betas_zero_snr
  Exact,    // the last value stays 0
  Floored,  // the last value becomes 2^-24, so that its sigma stays finite
};
std::vector<float> make_alphas_cumprod(const SchedulerConfig& config, ZeroSnr zero_snr);

}  // namespace nibble
