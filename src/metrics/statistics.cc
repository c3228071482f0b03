#include "metrics/statistics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

namespace nibble {

double student_975(int64_t degrees) {
  constexpr double kTwoSided = 0.05, kNormal = 1.959963984540054;
  const double n = static_cast<double>(degrees);
  if (degrees <= 1) return 12.706204736432095;
  if (degrees == 2) return std::sqrt(2 / (kTwoSided * (2 - kTwoSided)) - 2);
  const double a = 1 / (n - 0.5), b = 48 / (a * a);
  double c = ((20700 * a / b - 98) * a - 16) * a + 96.36;
  const double d = ((94.5 / (b + c) - 3) / b + 1) * std::sqrt(a * std::numbers::pi / 2) * n;
  double y = std::pow(d * kTwoSided, 2 / n);
  if (y > 0.05 + a) {
    double x = -kNormal;
    y = x * x;
    if (degrees < 5) c += 0.3 * (n - 4.5) * (x + 0.6);
    c += (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b;
    y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x;
    y = std::expm1(a * y * y);
  } else {
    y = ((1 / (((n + 6) / (n * y) - 0.089 * d - 0.822) * (n + 2) * 3) + 0.5 / (n + 4)) * y - 1) * (n + 1) / (n + 2) +
        1 / y;
  }
  return std::sqrt(n * y);
}

Interval mean_interval(const std::vector<double>& values) {
  Interval out;
  out.count = static_cast<int64_t>(values.size());
  if (values.empty()) {
    out.mean = out.low = out.high = std::numeric_limits<double>::quiet_NaN();
    return out;
  }
  const double n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  out.mean = out.low = out.high = sum / n;
  if (values.size() < 2) return out;
  for (const double v : values) squares += (v - out.mean) * (v - out.mean);
  const double half = student_975(out.count - 1) * std::sqrt(squares / (n - 1) / n);
  out.low -= half, out.high += half;
  return out;
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  const size_t low = static_cast<size_t>(at), high = std::min(low + 1, values.size() - 1);
  return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
}

std::optional<int64_t> slower_allowed(int64_t queries, double share) {
  constexpr double kDoubt = 0.01;
  // I_p(h, t + 1) is the chance of at most t slower ones among h + t, each slower with chance 1 - p.
  const double n = static_cast<double>(queries);
  double chance = 0;
  for (int64_t t = 0; t <= queries; ++t) {
    const double k = static_cast<double>(t);
    chance += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) + k * std::log1p(-share) +
                       (n - k) * std::log(share));
    if (chance > kDoubt) return t == 0 ? std::nullopt : std::optional(t - 1);
  }
  return queries;
}

std::optional<double> early_stopping_percentile(std::vector<double> values, double share) {
  const std::optional<int64_t> slower = slower_allowed(static_cast<int64_t>(values.size()), share);
  if (!slower || *slower == 0) return std::nullopt;
  std::ranges::sort(values, std::greater());
  return values[static_cast<size_t>(*slower - 1)];
}

}  // namespace nibble
