#include "kernels/bench.h"

#include <gtest/gtest.h>

namespace nibble::kernels {
namespace {

// A machine whose second round is twice as fast and whose third one is slow.
TEST(Bench, RoundsKeepEveryRowsBestTimeAndBestPeak) {
  const std::vector<double> seconds = {2, 1, 8}, peaks = {30, 20, 40};
  int round = 0;
  const auto family = [&] {
    const double t = seconds[static_cast<size_t>(round)], peak = peaks[static_cast<size_t>(round)];
    ++round;
    return std::vector<BenchRow>{{"product", "M 1", 8, t, peak}, {"steady", "M 2", 8, 4, 0}};
  };
  const std::vector<BenchRow> rows = best_of_rounds(family, 3);
  EXPECT_EQ(round, 3);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].name, "product");
  EXPECT_EQ(rows[0].seconds, 1);
  EXPECT_EQ(rows[0].peak, 40);
  EXPECT_EQ(rows[0].ratio(), 0.2);
  EXPECT_EQ(rows[1].seconds, 4);
  EXPECT_EQ(rows[1].ratio(), 0);
}

TEST(Bench, BestTimeIsOfAtLeastThreeRuns) {
  int runs = 0;
  const double seconds = best_cpu_seconds([&] { ++runs; }, 0);
  EXPECT_EQ(runs, 3);
  EXPECT_GE(seconds, 0);
  EXPECT_LT(seconds, 1);
}

}  // namespace
}  // namespace nibble::kernels
