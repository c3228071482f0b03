// DPM++ SDE: Lu et al. 2022, "DPM-Solver++", second order with a midpoint in log sigma and noise in both halves
// (k-diffusion's sample_dpmpp_sde with eta 1 and r 1/2).
#include <algorithm>
#include <cmath>

#include "samplers/betas.h"
#include "samplers/samplers.h"
#include "samplers/schedule.h"

namespace nibble {
namespace {

float midpoint_time(float from, float to) {
  const float t = -std::log(from);
  return t + (-std::log(to) - t) * 0.5f;
}

// The timestep of a midpoint comes from float64 levels, its sigma from float32 ones, as in diffusers.
double midpoint_timestep(double from, double to, const SigmaTable& table) {
  const double t = -std::log(from);
  return sigma_to_timestep(std::exp(-(t + (-std::log(to) - t) * 0.5)), table.log_sigmas);
}

Schedule dpmpp_sde_schedule(const SchedulerConfig& config, int steps) {
  const SigmaTable table = make_sigma_table(make_alphas_cumprod(config, ZeroSnr::Ignored));
  const SigmaPlan plan = make_sigma_plan(config, table, steps, Rounding::None, Bounds::Ignored);
  std::vector<float> sigmas{static_cast<float>(plan.sigmas[0])}, model_sigmas = sigmas;
  std::vector<double> timesteps{plan.timesteps[0]};
  for (size_t k = 1; k < plan.sigmas.size(); ++k) {
    const float level = static_cast<float>(plan.sigmas[k]);
    const double middle = midpoint_timestep(plan.sigmas[k - 1], plan.sigmas[k], table);
    timesteps.insert(timesteps.end(), {middle, plan.timesteps[k]});
    model_sigmas.insert(model_sigmas.end(), {std::exp(-midpoint_time(sigmas.back(), level)), level});
    sigmas.insert(sigmas.end(), 2, level);
  }
  sigmas.push_back(0.0f);
  return exploding_schedule(config, steps, 2, timesteps, sigmas, model_sigmas);
}

class DpmppSde final : public Sampler {
 public:
  explicit DpmppSde(const SamplerSettings& settings) : Sampler(dpmpp_sde_schedule(settings.config, settings.steps)) {}

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<DpmppSde>(*this); }

 protected:
  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource& noise) override {
    original_.resize(sample.size());
    denoise_exploding(schedule().prediction, schedule().calls[i].sigma, model_output, sample, original_);
    const int first = i - i % 2;
    const float from = sigma(first), to = sigma(first + 1);
    if (to == 0) {
      for (size_t k = 0; k < sample.size(); ++k) sample[k] += (sample[k] - original_[k]) / from * (to - from);
      return;
    }
    const float t = -std::log(from), middle = midpoint_time(from, to);
    if (i == first) {
      held_.assign(sample.begin(), sample.end());
      draw(first_noise_, sample.size(), noise);
      renoise(t, middle, first_noise_, sample);
      return;
    }
    std::copy(held_.begin(), held_.end(), sample.begin());
    draw(second_noise_, sample.size(), noise);
    join_noise(std::exp(-t), std::exp(-middle), to);
    renoise(t, -std::log(to), second_noise_, sample);
  }

 private:
  static void draw(std::vector<float>& out, size_t size, const NoiseSource& noise) {
    out.resize(size);
    noise(out);
  }

  // Both calls of a step see one Brownian path over sigma: its change from..to is that from..middle plus a new one.
  void join_noise(float from, float middle, float to) {
    const float old_weight = std::sqrt((from - middle) / (from - to));
    const float new_weight = std::sqrt((middle - to) / (from - to));
    for (size_t k = 0; k < second_noise_.size(); ++k) {
      second_noise_[k] = old_weight * first_noise_[k] + new_weight * second_noise_[k];
    }
  }

  void renoise(float t, float t_next, std::span<const float> noise, std::span<float> sample) const {
    const float from = std::exp(-t), to = std::exp(-t_next);
    const float up = std::min(to, std::sqrt(to * to * (from * from - to * to) / (from * from)));
    const float t_down = -std::log(std::sqrt(to * to - up * up));
    const float keep = std::exp(-t_down) / from, change = std::expm1(t - t_down);
    for (size_t k = 0; k < sample.size(); ++k) {
      sample[k] = keep * sample[k] - change * original_[k] + noise[k] * up;
    }
  }

  std::vector<float> original_, held_, first_noise_, second_noise_;
};

}  // namespace

std::unique_ptr<Sampler> make_dpmpp_sde(const SamplerSettings& settings) {
  return std::make_unique<DpmppSde>(settings);
}

}  // namespace nibble
