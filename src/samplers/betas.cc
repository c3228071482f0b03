#include "samplers/betas.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace nibble {
namespace {

// torch.linspace in float32: each half counts from its own end, one rounding per value.
std::vector<float> torch_linspace(double first, double last, int count) {
  const float start = static_cast<float>(first), end = static_cast<float>(last);
  std::vector<float> out(count, start);
  if (count == 1) return out;
  const float step = (end - start) / static_cast<float>(count - 1);
  for (int i = 0; i < count; ++i) {
    out[i] = i < count / 2 ? std::fma(step, static_cast<float>(i), start)
                           : std::fma(-step, static_cast<float>(count - i - 1), end);
  }
  return out;
}

double alpha_bar(BetaSchedule schedule, double t) {
  if (schedule == BetaSchedule::Exponential) return std::exp(t * -12.0);
  if (schedule == BetaSchedule::Laplace) {
    const double lambda = -0.5 * std::copysign(1.0, 0.5 - t) * std::log(1 - 2 * std::fabs(0.5 - t) + 1e-6);
    const double snr = std::exp(lambda);
    return std::sqrt(snr / (1 + snr));
  }
  const double cosine = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2);
  return cosine * cosine;
}

std::vector<float> betas_for_alpha_bar(BetaSchedule schedule, int count) {
  constexpr double kMaxBeta = 0.999;
  std::vector<float> out(count);
  for (int i = 0; i < count; ++i) {
    const double from = static_cast<double>(i) / count, to = static_cast<double>(i + 1) / count;
    out[i] = static_cast<float>(std::min(1 - alpha_bar(schedule, to) / alpha_bar(schedule, from), kMaxBeta));
  }
  return out;
}

std::vector<float> betas_from_schedule(const SchedulerConfig& config) {
  const int count = config.num_train_timesteps;
  const double low = config.beta_start, high = config.beta_end;
  switch (config.beta_schedule) {
    case BetaSchedule::Linear:
      return torch_linspace(low, high, count);
    case BetaSchedule::ScaledLinear: {
      std::vector<float> out = torch_linspace(std::sqrt(low), std::sqrt(high), count);
      for (float& x : out) x *= x;
      return out;
    }
    case BetaSchedule::Sigmoid: {
      std::vector<float> out = torch_linspace(-6, 6, count);
      const float range = static_cast<float>(high - low);
      for (float& x : out) x = 1.0f / (1.0f + std::exp(-x)) * range + static_cast<float>(low);
      return out;
    }
    case BetaSchedule::SquaredCosine:
    case BetaSchedule::Exponential:
    case BetaSchedule::Laplace:
      return betas_for_alpha_bar(config.beta_schedule, count);
  }
  return {};
}

}  // namespace

std::vector<float> make_betas(const SchedulerConfig& config) {
  std::vector<float> betas = config.trained_betas.empty() ? betas_from_schedule(config) : config.trained_betas;
  const bool valid = std::all_of(betas.begin(), betas.end(), [](float beta) { return beta >= 0.0f && beta < 1.0f; });
  if (!valid) {
    fail(ErrorCode::InvalidArgument, "scheduler config: want every beta in [0, 1); found beta_start {} and beta_end {}",
         config.beta_start, config.beta_end);
  }
  return betas;
}

std::vector<float> cumulative_alphas(std::span<const float> betas) {
  std::vector<float> out(betas.size());
  double product = 1;
  for (size_t t = 0; t < betas.size(); ++t) {
    product *= 1.0f - betas[t];
    out[t] = static_cast<float>(product);
  }
  return out;
}

std::vector<float> rescale_zero_terminal_snr(std::span<const float> betas) {
  std::vector<float> roots = cumulative_alphas(betas);
  for (float& x : roots) x = std::sqrt(x);
  const float first = roots.front(), last = roots.back();
  if (!(first > last)) {
    fail(ErrorCode::InvalidArgument, "rescale_betas_zero_snr: want at least two timesteps with noise; found {}",
         betas.size());
  }
  const float scale = first / (first - last);
  float previous = 1;
  std::vector<float> out(betas.size());
  for (size_t t = 0; t < betas.size(); ++t) {
    const float root = (roots[t] - last) * scale, product = root * root;
    out[t] = 1.0f - (t == 0 ? product : product / previous);
    previous = product;
  }
  return out;
}

std::vector<float> make_alphas_cumprod(const SchedulerConfig& config, ZeroSnr zero_snr) {
  std::vector<float> betas = make_betas(config);
  const bool rescale = config.rescale_betas_zero_snr && zero_snr != ZeroSnr::Ignored;
  if (rescale) betas = rescale_zero_terminal_snr(betas);
  std::vector<float> alphas = cumulative_alphas(betas);
  if (rescale && zero_snr == ZeroSnr::Floored) alphas.back() = 0x1p-24f;
  return alphas;
}

}  // namespace nibble
