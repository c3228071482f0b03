#include "metrics/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace nibble {
namespace {

// Quantiles of scipy.stats.t.ppf(0.975, df).
TEST(Statistics, Student_quantiles_are_those_of_scipy) {
  struct Row {
    int64_t degrees;
    double value;
  };
  for (const Row& row : {Row{1, 12.706204736}, Row{2, 4.302652730}, Row{3, 3.182446305}, Row{4, 2.776445105},
                         Row{5, 2.570581836}, Row{10, 2.228138852}, Row{30, 2.042272456}, Row{63, 1.998340543},
                         Row{299, 1.967929669}, Row{10000, 1.960201263}})
    EXPECT_NEAR(student_975(row.degrees), row.value, 5e-4 * row.value) << row.degrees;
}

TEST(Statistics, Interval_of_a_mean) {
  const Interval i = mean_interval({1, 2, 3, 4});
  EXPECT_EQ(i.count, 4);
  EXPECT_DOUBLE_EQ(i.mean, 2.5);
  const double half = 3.182446305 * std::sqrt(5.0 / 3) / 2;
  EXPECT_NEAR(i.high - i.mean, half, 1e-3);
  EXPECT_NEAR(i.mean - i.low, half, 1e-3);
  EXPECT_TRUE(std::isnan(mean_interval({}).mean));
  EXPECT_EQ(mean_interval({7}).low, 7);
}

TEST(Statistics, Percentiles_are_those_of_numpy) {
  EXPECT_DOUBLE_EQ(percentile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(percentile({4, 1, 3, 2}, 0.9), 3.7);
  EXPECT_DOUBLE_EQ(percentile({5}, 0.9), 5);
  EXPECT_TRUE(std::isnan(percentile({}, 0.5)));
}

// MLPerf's early stopping at confidence 0.99: the fewest queries of which t may be over the bound.
TEST(Statistics, Early_stopping_is_that_of_mlperf) {
  constexpr int64_t kOver[] = {0, 1, 2, 5, 10, 50, 100};
  struct Row {
    double share;
    int64_t queries[7];
  };
  for (const Row& row :
       {Row{.90, {44, 64, 81, 127, 197, 681, 1246}}, Row{.95, {90, 130, 165, 259, 398, 1372, 2504}},
        Row{.97, {152, 219, 277, 433, 667, 2293, 4182}}, Row{.99, {459, 662, 838, 1307, 2010, 6898, 12571}}})
    for (size_t i = 0; i < std::size(kOver); ++i) {
      EXPECT_EQ(slower_allowed(row.queries[i], row.share), kOver[i]) << row.share << " " << row.queries[i];
      const std::optional<int64_t> before = slower_allowed(row.queries[i] - 1, row.share);
      EXPECT_EQ(before, kOver[i] == 0 ? std::nullopt : std::optional(kOver[i] - 1))
          << row.share << " " << row.queries[i];
    }
  std::vector<double> seconds(81);
  for (size_t i = 0; i < seconds.size(); ++i) seconds[i] = static_cast<double>(i);
  EXPECT_EQ(early_stopping_percentile(seconds, 0.9), 79);  // two may be slower: the slowest but for one
  seconds.resize(63);
  EXPECT_EQ(early_stopping_percentile(seconds, 0.9), std::nullopt);
}

}  // namespace
}  // namespace nibble
