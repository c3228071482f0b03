// Means with their uncertainty, and percentiles, of a handful of numbers.
#pragma once

#include <cstdint>
#include <vector>

namespace nibble {

struct Interval {
  double mean = 0, low = 0, high = 0;  // 95 % by Student's t; low = high = mean for a single value, NaN for none
  int64_t count = 0;
};

Interval mean_interval(const std::vector<double>& values);

// Linear between order statistics (numpy's default). `share` in [0, 1]. NaN for no values.
double percentile(std::vector<double> values, double share);

// The 97.5 % point of Student's t with `degrees` >= 1 degrees of freedom (Hill 1970), within 1e-4 of the exact value.
double student_975(int64_t degrees);

}  // namespace nibble
