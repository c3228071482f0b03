// Means with their uncertainty, and percentiles, of a handful of numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace nibble {

struct Interval {
  double mean = 0, low = 0, high = 0;  // 95 % by Student's t; low = high = mean for a single value, NaN for none
  int64_t count = 0;
};

Interval mean_interval(const std::vector<double>& values);

// Linear between order statistics (numpy's default). `share` in [0, 1]. NaN for no values.
double percentile(std::vector<double> values, double share);

// MLPerf's early stopping: how many of `queries` may be slower than a bound that is said, with 99 % confidence, to hold
// for the `share` of all; nothing where even none would be too many: I_share(queries - t, t + 1) <= 0.01.
std::optional<int64_t> slower_allowed(int64_t queries, double share);

// The percentile that MLPerf's SingleStream reports: of n values the slowest but for t - 1, t as slower_allowed.
// Nothing for too few of them (64 for 0.9).
std::optional<double> early_stopping_percentile(std::vector<double> values, double share);

// The 97.5 % point of Student's t with `degrees` >= 1 degrees of freedom (Hill 1970), within 1e-4 of the exact value.
double student_975(int64_t degrees);

}  // namespace nibble
