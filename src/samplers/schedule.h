// Timesteps and noise levels of a run, computed in the precision numpy and torch use in diffusers.
#pragma once

#include <span>
#include <vector>

#include "samplers/sampler.h"
#include "samplers/scheduler_config.h"

namespace nibble {

// numpy.linspace(first, last, count).
std::vector<double> linspace(double first, double last, int count);

// Throws Error{InvalidArgument} unless 1 <= steps <= num_train_timesteps.
void check_steps(const SchedulerConfig& config, int steps);

// Timesteps from noisy to clean. `leading` adds steps_offset. `trailing` is numpy.arange(train, 0, -train / steps) - 1,
// whose rounding gives one value too many (-1) for some counts; that one is left out.
// `rounding` is that of linspace, which alone gives fractions.
enum class Rounding { Whole, Float32, None };
std::vector<double> spaced_timesteps(const SchedulerConfig& config, int steps, Rounding rounding);

// The multistep solvers of DPM kind place steps + 1 points for leading and linspace and leave out the cleanest.
// `last` is the number of training timesteps kept (num_train_timesteps unless lambda_min_clipped cuts).
std::vector<double> multistep_timesteps(const SchedulerConfig& config, int steps, int last);

// sigma = sqrt((1 - alphas_cumprod) / alphas_cumprod) for each training timestep, and its logarithm, both float32.
struct SigmaTable {
  std::vector<float> sigmas, log_sigmas;
};
SigmaTable make_sigma_table(std::span<const float> alphas_cumprod);

// numpy.interp over 0, 1, ...: linear, constant outside.
double interpolate(std::span<const float> table, double x);

// The fractional timestep whose log sigma is log(sigma), between 0 and the last.
double sigma_to_timestep(double sigma, std::span<const float> log_sigmas);

// `steps` levels from sigma_max to sigma_min by any schedule but Normal and Lu.
std::vector<double> spread_sigmas(SigmaSchedule schedule, double sigma_max, double sigma_min, int steps);

// Timesteps and levels of the k-diffusion samplers, before a second-order sampler interleaves its own.
struct SigmaPlan {
  std::vector<double> timesteps, sigmas;  // one for each step
};
enum class Bounds { FromConfig, Ignored };  // whether Karras looks at sigma_min and sigma_max
SigmaPlan make_sigma_plan(const SchedulerConfig& config, const SigmaTable& table, int steps, Rounding rounding,
                          Bounds bounds);

// sigmas of the plan in float32, then `last`.
std::vector<float> with_final_sigma(std::span<const double> sigmas, float last);

// A schedule in sample = original + sigma * noise. Call i adds noise sigmas[i] and sees model_sigmas[i]; both have at
// least one value for each timestep.
Schedule exploding_schedule(const SchedulerConfig& config, int steps, int order, std::span<const double> timesteps,
                            std::vector<float> sigmas, std::span<const float> model_sigmas);

// A schedule on whole timesteps with the levels of alphas_cumprod. Throws Error{InvalidArgument} for one outside.
Schedule preserving_schedule(const SchedulerConfig& config, int steps, std::span<const double> timesteps,
                             std::span<const float> alphas_cumprod);

}  // namespace nibble
