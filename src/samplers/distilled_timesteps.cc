#include "samplers/distilled_timesteps.h"

#include <cmath>

#include "base/error.h"
#include "samplers/schedule.h"

namespace nibble {

std::vector<double> distilled_timesteps(const SchedulerConfig& config, int steps) {
  check_steps(config, steps);
  const int original = config.original_inference_steps;
  if (original > config.num_train_timesteps) {
    fail(ErrorCode::InvalidArgument, "original_inference_steps: want at most {} (num_train_timesteps); found {}",
         config.num_train_timesteps, original);
  }
  if (steps > original) {
    fail(ErrorCode::InvalidArgument, "steps: want at most {} (original_inference_steps of this model); found {}",
         original, steps);
  }
  const int stride = config.num_train_timesteps / original;
  const double skip = static_cast<double>(original) / steps;
  std::vector<double> out;
  for (int i = 0; i < steps; ++i) {
    const int index = static_cast<int>(std::floor(i * skip));
    out.push_back((original - index) * stride - 1);
  }
  return out;
}

}  // namespace nibble
