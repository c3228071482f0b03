// The settings of a noise schedule and its solver, as diffusers writes them in scheduler/scheduler_config.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace nibble {

enum class BetaSchedule { Linear, ScaledLinear, SquaredCosine, Exponential, Sigmoid, Laplace };
enum class PredictionType { Epsilon, Sample, Velocity };
enum class TimestepSpacing { Leading, Trailing, Linspace };
enum class FinalSigma { Zero, SigmaMin };

// How the noise levels lie between the first and the last one.
enum class SigmaSchedule {
  Normal,       // at the training schedule's own levels of the spaced timesteps
  Karras,       // Karras et al. 2022, eq. 5, rho 7
  Exponential,  // even in log sigma
  Beta,         // quantiles of Beta(0.6, 0.6) (Lee et al. 2024)
  Lu,           // even in lambda (Lu et al. 2022); DPM++ 2M only
};

// Defaults are those most diffusers schedulers share; a sampler's own defaults stand in its registry row.
// A sampler reads only the fields its diffusers class has: the others are ignored, as X.from_config does.
struct SchedulerConfig {
  std::string class_name;  // "_class_name"

  int num_train_timesteps = 1000;
  double beta_start = 0.0001, beta_end = 0.02;
  BetaSchedule beta_schedule = BetaSchedule::Linear;
  std::vector<float> trained_betas;  // empty: from beta_schedule
  bool rescale_betas_zero_snr = false;

  PredictionType prediction_type = PredictionType::Epsilon;
  TimestepSpacing timestep_spacing = TimestepSpacing::Linspace;
  int steps_offset = 0;

  bool use_karras_sigmas = false, use_exponential_sigmas = false, use_beta_sigmas = false, use_lu_lambdas = false;
  std::optional<double> sigma_min, sigma_max;
  FinalSigma final_sigmas_type = FinalSigma::Zero;
  std::string interpolation_type = "linear";  // or "log_linear" (Euler)
  bool continuous_timesteps = false;          // "timestep_type": "continuous" (Euler with v-prediction)

  bool clip_sample = true;
  double clip_sample_range = 1.0;
  bool thresholding = false;
  double dynamic_thresholding_ratio = 0.995, sample_max_value = 1.0;
  bool set_alpha_to_one = true;
  std::string variance_type = "fixed_small";  // DDPM

  bool skip_prk_steps = false;  // PNDM

  int solver_order = 2;                        // DPM++ 2M, UniPC
  std::string algorithm_type = "dpmsolver++";  // DPM++ 2M
  std::string solver_type;                     // empty: the solver's own default
  bool lower_order_final = true, euler_at_final = false;
  double lambda_min_clipped;  // minus infinity: no clip
  bool predict_x0 = true;     // UniPC
  std::vector<int> disable_corrector;

  int original_inference_steps = 50;  // LCM, TCD
  double timestep_scaling = 10.0;

  SchedulerConfig();
  SigmaSchedule sigma_schedule() const;
};

// Overwrites the fields of `defaults` by the known keys of `json`; null means "default". Keys nobody knows are ignored.
// Throws Error{Corrupt} for a value of the wrong type or out of range, Error{Unsupported} for settings of other model
// kinds (flow matching).
SchedulerConfig read_scheduler_config(const Json& json, SchedulerConfig defaults);

// Names as in the JSON; throw Error{InvalidArgument} listing the choices.
BetaSchedule parse_beta_schedule(std::string_view text);
PredictionType parse_prediction_type(std::string_view text);
TimestepSpacing parse_timestep_spacing(std::string_view text);

}  // namespace nibble
