#include "samplers/dpm2_schedule.h"

#include <cmath>

#include "samplers/betas.h"

namespace nibble {

Schedule midpoint_schedule(const SchedulerConfig& config, int steps,
                           const std::function<float(float from, float to)>& midpoint) {
  const SigmaTable table = make_sigma_table(make_alphas_cumprod(config, ZeroSnr::Ignored));
  SigmaPlan plan = make_sigma_plan(config, table, steps, Rounding::Float32, Bounds::FromConfig);
  if (config.sigma_schedule() == SigmaSchedule::Karras) {
    for (double& t : plan.timesteps) t = std::nearbyint(t);
  }
  const std::vector<float> levels = with_final_sigma(plan.sigmas, 0.0f);
  std::vector<float> sigmas{levels[0]}, model_sigmas{levels[0]};
  std::vector<double> timesteps{plan.timesteps[0]};
  for (size_t k = 1; k < levels.size(); ++k) {
    sigmas.insert(sigmas.end(), 2, levels[k]);
    if (k + 1 == levels.size()) break;
    const float middle = midpoint(levels[k - 1], levels[k]);
    model_sigmas.insert(model_sigmas.end(), {middle, levels[k]});
    timesteps.insert(timesteps.end(), {sigma_to_timestep(middle, table.log_sigmas), plan.timesteps[k]});
  }
  sigmas.push_back(0.0f);
  return exploding_schedule(config, steps, 2, timesteps, sigmas, model_sigmas);
}

}  // namespace nibble
