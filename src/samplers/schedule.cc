#include "samplers/schedule.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/error.h"
#include "samplers/beta_distribution.h"

namespace nibble {
namespace {

constexpr double kRho = 7.0;
constexpr double kBetaShape = 0.6;

std::vector<double> trailing_timesteps(int first, double stride) {
  const int count = static_cast<int>(std::ceil(first / stride));
  const double delta = (first - stride) - first;
  std::vector<double> out;
  for (int i = 0; i < count; ++i) {
    const double t = std::nearbyint(first + i * delta) - 1;
    if (t >= 0) out.push_back(t);
  }
  return out;
}

std::vector<double> leading_timesteps(int stride, int count, int offset) {
  std::vector<double> out(count);
  for (int i = 0; i < count; ++i) out[count - 1 - i] = static_cast<double>(i) * stride + offset;
  return out;
}

std::vector<double> rounded(std::vector<double> values) {
  for (double& x : values) x = std::nearbyint(x);
  return values;
}

}  // namespace

std::vector<double> linspace(double first, double last, int count) {
  std::vector<double> out(count, first);
  if (count < 2) return out;
  const double step = (last - first) / (count - 1);
  for (int i = 0; i < count; ++i) out[i] = i * step + first;
  out.back() = last;
  return out;
}

void check_steps(const SchedulerConfig& config, int steps) {
  if (steps < 1 || steps > config.num_train_timesteps) {
    fail(ErrorCode::InvalidArgument, "steps: want 1 to {} (the timesteps the model was trained on); found {}",
         config.num_train_timesteps, steps);
  }
}

std::vector<double> spaced_timesteps(const SchedulerConfig& config, int steps, Rounding rounding) {
  const int train = config.num_train_timesteps;
  switch (config.timestep_spacing) {
    case TimestepSpacing::Leading:
      return leading_timesteps(train / steps, steps, config.steps_offset);
    case TimestepSpacing::Trailing:
      return trailing_timesteps(train, static_cast<double>(train) / steps);
    case TimestepSpacing::Linspace:
      break;
  }
  std::vector<double> out = linspace(0, train - 1, steps);
  std::reverse(out.begin(), out.end());
  if (rounding == Rounding::Whole) return rounded(std::move(out));
  if (rounding == Rounding::Float32) {
    for (double& t : out) t = static_cast<float>(t);
  }
  return out;
}

std::vector<double> multistep_timesteps(const SchedulerConfig& config, int steps, int last) {
  std::vector<double> out;
  switch (config.timestep_spacing) {
    case TimestepSpacing::Trailing:
      return trailing_timesteps(last, static_cast<double>(config.num_train_timesteps) / steps);
    case TimestepSpacing::Leading:
      out = leading_timesteps(last / (steps + 1), steps + 1, config.steps_offset);
      break;
    case TimestepSpacing::Linspace:
      out = rounded(linspace(0, last - 1, steps + 1));
      std::reverse(out.begin(), out.end());
      break;
  }
  out.pop_back();
  return out;
}

SigmaTable make_sigma_table(std::span<const float> alphas_cumprod) {
  SigmaTable table;
  for (const float alpha : alphas_cumprod) {
    const float sigma = std::sqrt((1.0f - alpha) / alpha);
    table.sigmas.push_back(sigma);
    table.log_sigmas.push_back(std::log(sigma));
  }
  return table;
}

double interpolate(std::span<const float> table, double x) {
  const double last = static_cast<double>(table.size()) - 1;
  if (!(x > 0)) return table.front();
  if (x >= last) return table.back();
  const size_t low = static_cast<size_t>(x);
  const double below = table[low], slope = table[low + 1] - below, offset = x - static_cast<double>(low);
  return offset == 0 ? below : slope * offset + below;
}

double sigma_to_timestep(double sigma, std::span<const float> log_sigmas) {
  if (log_sigmas.size() < 2) return 0;
  const double wanted = std::log(std::max(sigma, 1e-10));
  const auto above = std::upper_bound(log_sigmas.begin(), log_sigmas.end(), wanted);
  const ptrdiff_t found = std::max<ptrdiff_t>(above - log_sigmas.begin() - 1, 0);
  const size_t low = std::min(static_cast<size_t>(found), log_sigmas.size() - 2);
  const double below = log_sigmas[low], up = log_sigmas[low + 1];
  const double weight = std::clamp((below - wanted) / (below - up), 0.0, 1.0);
  return (1 - weight) * static_cast<double>(low) + weight * static_cast<double>(low + 1);
}

std::vector<double> spread_sigmas(SigmaSchedule schedule, double sigma_max, double sigma_min, int steps) {
  std::vector<double> out;
  switch (schedule) {
    case SigmaSchedule::Karras: {
      const double low = std::pow(sigma_min, 1 / kRho), high = std::pow(sigma_max, 1 / kRho);
      for (const double ramp : linspace(0, 1, steps)) out.push_back(std::pow(high + ramp * (low - high), kRho));
      break;
    }
    case SigmaSchedule::Exponential:
      for (const double x : linspace(std::log(sigma_max), std::log(sigma_min), steps)) out.push_back(std::exp(x));
      break;
    case SigmaSchedule::Beta:
      for (const double x : linspace(0, 1, steps)) {
        out.push_back(sigma_min + beta_quantile(1 - x, kBetaShape, kBetaShape) * (sigma_max - sigma_min));
      }
      break;
    case SigmaSchedule::Normal:
    case SigmaSchedule::Lu:
      NIBBLE_CHECK(false, "not a spread of sigmas");
  }
  return out;
}

SigmaPlan make_sigma_plan(const SchedulerConfig& config, const SigmaTable& table, int steps, Rounding rounding,
                          Bounds bounds) {
  check_steps(config, steps);
  SigmaPlan plan{.timesteps = spaced_timesteps(config, steps, rounding)};
  for (const double t : plan.timesteps) plan.sigmas.push_back(interpolate(table.sigmas, t));
  const SigmaSchedule schedule = config.sigma_schedule();
  if (schedule == SigmaSchedule::Normal || schedule == SigmaSchedule::Lu) return plan;

  const bool bounded = bounds == Bounds::FromConfig || schedule != SigmaSchedule::Karras;
  const double low = bounded ? config.sigma_min.value_or(plan.sigmas.back()) : plan.sigmas.back();
  const double high = bounded ? config.sigma_max.value_or(plan.sigmas.front()) : plan.sigmas.front();
  plan.sigmas = spread_sigmas(schedule, high, low, steps);
  plan.timesteps.clear();
  for (const double sigma : plan.sigmas) plan.timesteps.push_back(sigma_to_timestep(sigma, table.log_sigmas));
  return plan;
}

std::vector<float> with_final_sigma(std::span<const double> sigmas, float last) {
  std::vector<float> out(sigmas.begin(), sigmas.end());
  out.push_back(last);
  return out;
}

Schedule exploding_schedule(const SchedulerConfig& config, int steps, int order, std::span<const double> timesteps,
                            std::vector<float> sigmas, std::span<const float> model_sigmas) {
  Schedule schedule{
      .space = SampleSpace::VarianceExploding, .prediction = config.prediction_type, .steps = steps, .order = order};
  for (size_t i = 0; i < timesteps.size(); ++i) {
    const float sigma = model_sigmas[i];
    schedule.calls.push_back({.timestep = static_cast<float>(timesteps[i]),
                              .signal = 1,
                              .noise = sigmas[i],
                              .input_divisor = std::sqrt(sigma * sigma + 1.0f),
                              .alpha = 1,
                              .sigma = sigma});
  }
  const float highest = *std::max_element(sigmas.begin(), sigmas.end());
  const bool leading = config.timestep_spacing == TimestepSpacing::Leading;
  schedule.init_noise_sigma = leading ? std::sqrt(highest * highest + 1.0f) : highest;
  schedule.sigmas = std::move(sigmas);
  return schedule;
}

Schedule preserving_schedule(const SchedulerConfig& config, int steps, std::span<const double> timesteps,
                             std::span<const float> alphas_cumprod) {
  Schedule schedule{.space = SampleSpace::VariancePreserving, .prediction = config.prediction_type, .steps = steps};
  for (const double t : timesteps) {
    if (!(t >= 0 && t < static_cast<double>(alphas_cumprod.size()))) {
      fail(ErrorCode::InvalidArgument,
           "timestep {}: want 0 to {}; {} steps with offset {} do not fit, use fewer steps or another spacing", t,
           alphas_cumprod.size() - 1, steps, config.steps_offset);
    }
    const float product = alphas_cumprod[static_cast<size_t>(t)];
    const float alpha = std::sqrt(product), sigma = std::sqrt(1.0f - product);
    schedule.calls.push_back({.timestep = static_cast<float>(t),
                              .signal = alpha,
                              .noise = sigma,
                              .input_divisor = 1,
                              .alpha = alpha,
                              .sigma = sigma});
  }
  return schedule;
}

}  // namespace nibble
