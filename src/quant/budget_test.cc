#include "quant/budget.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace nibble::quant {
namespace {

using Layers = std::vector<std::vector<StorageOption>>;

struct Sum {
  size_t bytes = 0;
  double error = 0;
};

Sum sum_of(const Layers& layers, const std::vector<size_t>& options) {
  Sum s;
  for (size_t i = 0; i < layers.size(); ++i)
    s.bytes += layers[i][options[i]].bytes, s.error += layers[i][options[i]].error;
  return s;
}

// Errors that fall with the bytes, each layer at its own rate.
Layers random_layers(std::mt19937& random, size_t count, size_t options) {
  std::uniform_real_distribution<double> uniform(0.05, 1);
  Layers layers(count);
  for (auto& layer : layers) {
    size_t bytes = 100;
    double error = uniform(random);
    for (size_t o = 0; o < options; ++o) {
      layer.push_back({bytes, error});
      bytes += static_cast<size_t>(1 + 40 * uniform(random));
      error *= uniform(random);
    }
  }
  return layers;
}

// The least error of all choices within the budget.
double exhaustive(const Layers& layers, size_t budget) {
  double least = std::numeric_limits<double>::infinity();
  std::vector<size_t> options(layers.size(), 0);
  while (true) {
    if (const Sum s = sum_of(layers, options); s.bytes <= budget) least = std::min(least, s.error);
    size_t i = 0;
    while (i < layers.size() && ++options[i] == layers[i].size()) options[i++] = 0;
    if (i == layers.size()) return least;
  }
}

TEST(Budget, Is_kept_and_no_single_way_does_better) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    const Layers layers = random_layers(random, 40, 5);
    const size_t budget = 4000 + static_cast<size_t>(random() % 8000);
    const std::vector<size_t> chosen = choose_within(layers, budget);
    ASSERT_EQ(chosen.size(), layers.size());
    const Sum got = sum_of(layers, chosen);
    EXPECT_LE(got.bytes, budget);
    for (size_t way = 0; way < 5; ++way) {
      const Sum same = sum_of(layers, std::vector<size_t>(layers.size(), way));
      if (same.bytes <= budget) {
        EXPECT_LE(got.error, same.error + 1e-12) << "way " << way << " at " << budget;
      }
    }
    EXPECT_EQ(choose_within(layers, budget), chosen);
  }
}

// What greedy choice can lose is at most one layer's change: the first that no longer fits (the relaxed knapsack).
TEST(Budget, Loses_to_the_best_choice_at_most_one_layers_change) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    const Layers layers = random_layers(random, 6, 4);
    const size_t budget = 600 + static_cast<size_t>(random() % 500);
    double largest_change = 0;
    for (const auto& layer : layers)
      largest_change = std::max(largest_change, layer.front().error - layer.back().error);
    EXPECT_LE(sum_of(layers, choose_within(layers, budget)).error, exhaustive(layers, budget) + largest_change);
  }
}

TEST(Budget, Spends_where_a_byte_takes_away_most) {
  const Layers layers{{{10, 1.0}, {20, 0.9}}, {{10, 1.0}, {20, 0.1}}, {{10, 0.5}, {15, 0.2}}};
  EXPECT_EQ(choose_within(layers, 30), (std::vector<size_t>{0, 0, 0}));
  EXPECT_EQ(choose_within(layers, 35), (std::vector<size_t>{0, 0, 1}));
  EXPECT_EQ(choose_within(layers, 40), (std::vector<size_t>{0, 1, 0}));
  EXPECT_EQ(choose_within(layers, 45), (std::vector<size_t>{0, 1, 1}));
  EXPECT_EQ(choose_within(layers, 100), (std::vector<size_t>{1, 1, 1}));
  EXPECT_TRUE(choose_within(layers, 29).empty());
  EXPECT_TRUE(choose_within({}, 100).empty());
}

// A larger option may be worse, or not measured: it is not taken, whatever is left.
TEST(Budget, Bytes_that_bring_nothing_are_not_spent) {
  const double unknown = std::numeric_limits<double>::infinity();
  const Layers layers{{{10, 0.5}, {20, 0.6}}, {{10, 0.5}, {20, unknown}}};
  EXPECT_EQ(choose_within(layers, 1000), (std::vector<size_t>{0, 0}));
}

}  // namespace
}  // namespace nibble::quant
