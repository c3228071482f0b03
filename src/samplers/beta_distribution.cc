#include "samplers/beta_distribution.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nibble {
namespace {

// The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method; quick for x < (a+1)/(a+b+2).
double continued_fraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  const auto nonzero = [](double value) { return std::fabs(value) < kTiny ? kTiny : value; };
  double numerator = 1, denominator = 1 / nonzero(1 - (a + b) * x / (a + 1)), value = denominator;
  for (int m = 1; m <= 500; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    denominator = 1 / nonzero(1 + even * denominator);
    numerator = nonzero(1 + even / numerator);
    value *= denominator * numerator;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    denominator = 1 / nonzero(1 + odd * denominator);
    numerator = nonzero(1 + odd / numerator);
    const double factor = denominator * numerator;
    value *= factor;
    if (std::fabs(factor - 1) < std::numeric_limits<double>::epsilon()) break;
  }
  return value;
}

double incomplete_beta(double x, double a, double b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double log_front = std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x);
  const double front = std::exp(log_front);
  if (x < (a + 1) / (a + b + 2)) return front * continued_fraction(x, a, b) / a;
  return 1 - front * continued_fraction(1 - x, b, a) / b;
}

}  // namespace

double beta_quantile(double p, double a, double b) {
  if (p <= 0) return 0;
  if (p >= 1) return 1;
  // The lower half only: near 1 the distance to 1 would drown in rounding.
  if (p > 0.5) return 1 - beta_quantile(1 - p, b, a);
  double low = 0, high = 1;
  while (true) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return middle;
    (incomplete_beta(middle, a, b) < p ? low : high) = middle;
  }
}

}  // namespace nibble
