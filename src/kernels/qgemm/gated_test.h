// For tests of products with a gate: what C must be, given the two halves before rounding.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tensor/dtype.h"

namespace nibble::kernels {

// c [m, n] against value(row, column) · gelu(gate) of the halves rounded to T. gelu is exact to 2e-7 · max(1, |gate|)
// (eltwise.h), the product is rounded to float and then to T, half a unit of its 8 or 24 bits. The halves may be `slack` off, which
// gelu makes 1.13 times as much at most.
template <typename T>
void expect_gated(const std::vector<T>& c, int64_t m, int64_t n, const std::function<float(int64_t, int64_t)>& channel,
                  const char* name, const std::function<float(int64_t, int64_t)>& slack = {}) {
  const double rounding = sizeof(T) == 2 ? 0x1.01p-8 : 0x1p-23;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const double value = static_cast<double>(to_float(from_float<T>(channel(i, j))));
      const double gate = static_cast<double>(to_float(from_float<T>(channel(i, n + j))));
      const double gelu = 0.5 * gate * std::erfc(-gate * std::sqrt(0.5)), want = value * gelu;
      const double value_slack = slack ? static_cast<double>(slack(i, j)) : 0.0, gate_slack = slack ? 1.13 * static_cast<double>(slack(i, n + j)) : 0.0;
      const double off = (std::abs(value) + value_slack) * (std::abs(gelu) + gate_slack) - std::abs(want);
      const double tolerance = std::abs(value) * 2e-7 * std::max(1.0, std::abs(gate)) + rounding * (std::abs(want) + off) + off;
      ASSERT_NEAR(static_cast<double>(to_float(c[static_cast<size_t>(i * n + j)])), want, tolerance)
          << name << " row " << i << " column " << j;
    }
}

}  // namespace nibble::kernels
