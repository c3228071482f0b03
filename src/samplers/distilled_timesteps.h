// The timesteps of consistency-distilled models (LCM, TCD).
#pragma once

#include <vector>

#include "samplers/scheduler_config.h"

namespace nibble {

// `steps` of the original_inference_steps timesteps the model was distilled on, from noisy to clean.
// Throws Error{InvalidArgument} when there are fewer of those than steps.
std::vector<double> distilled_timesteps(const SchedulerConfig& config, int steps);

}  // namespace nibble
