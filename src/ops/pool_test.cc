#include "ops/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "base/error.h"
#include "graph/plan.h"

namespace nibble::ops {
namespace {

Tensor run(const Tensor& x, const std::function<Value(Value)>& body, int threads = 2) {
  Context context(threads);
  Graph graph;
  const Value in = graph.input("x", {DType::F32, x.shape()}, Rate::Prompt);
  Plan plan(context, graph, {body(in)});
  plan.bind(in, x);
  plan.run();
  return plan.output_copy(0);
}

Tensor random_pictures(const Shape& shape, unsigned seed) {
  Tensor x = Tensor::zeros(DType::F32, shape);
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  for (float& v : x.mutable_values<float>()) v = normal(generator);
  return x;
}

// The definition: every place of the window that lies inside the picture.
double window(const Tensor& x, int64_t n, int64_t i, int64_t j, int64_t c, const PoolOptions& o, bool average) {
  double sum = 0, most = -std::numeric_limits<double>::infinity();
  int count = 0;
  for (int64_t v = i * o.stride - o.pad; v < i * o.stride - o.pad + o.kernel; ++v)
    for (int64_t u = j * o.stride - o.pad; u < j * o.stride - o.pad + o.kernel; ++u) {
      if (v < 0 || u < 0 || v >= x.dim(1) || u >= x.dim(2)) continue;
      const double value = static_cast<double>(x.values<float>()[static_cast<size_t>(((n * x.dim(1) + v) * x.dim(2) + u) * x.dim(3) + c)]);
      sum += value, most = std::max(most, value), ++count;
    }
  return average ? sum / count : most;
}

TEST(Pool, Every_window_by_definition) {
  const PoolOptions kinds[] = {{3, 2, 0, false}, {3, 2, 0, true}, {3, 1, 1, false}, {2, 2, 0, false}, {2, 2, 1, true}, {3, 2, 1, true}};
  const Shape shapes[] = {{2, 7, 10, 5}, {1, 3, 4, 16}, {1, 12, 3, 1}};
  for (const PoolOptions& o : kinds)
    for (const Shape& shape : shapes) {
      const Tensor x = random_pictures(shape, 1);
      for (const bool average : {false, true}) {
        const Tensor y = run(x, [&](Value v) { return average ? average_pool(v, o) : max_pool(v, o); });
        // torch's output size.
        const auto size = [&](int64_t in) {
          const double room = static_cast<double>(in + 2 * o.pad - o.kernel) / static_cast<double>(o.stride);
          const int64_t count = static_cast<int64_t>(o.round_up ? std::ceil(room) : std::floor(room)) + 1;
          return o.round_up && (count - 1) * o.stride >= in + o.pad ? count - 1 : count;
        };
        ASSERT_EQ(y.shape(), Shape({shape[0], size(shape[1]), size(shape[2]), shape[3]}));
        int64_t at = 0;
        for (int64_t n = 0; n < y.dim(0); ++n)
          for (int64_t i = 0; i < y.dim(1); ++i)
            for (int64_t j = 0; j < y.dim(2); ++j)
              for (int64_t c = 0; c < y.dim(3); ++c, ++at) {
                const double want = window(x, n, i, j, c, o, average);
                // At most nine float32 additions of numbers below 5.
                EXPECT_NEAR(static_cast<double>(y.values<float>()[static_cast<size_t>(at)]), want, average ? 9 * 5 * 0x1p-24 * 9 : 0);
              }
      }
    }
}

TEST(Pool, Not_a_number_stays) {
  Tensor x = random_pictures({1, 4, 4, 2}, 2);
  x.mutable_values<float>()[10] = std::nanf("");
  const auto nans = [](const Tensor& t) { return std::ranges::count_if(t.values<float>(), [](float v) { return std::isnan(v); }); };
  EXPECT_EQ(nans(run(x, [](Value v) { return max_pool(v, {2, 2}); })), 1);
  EXPECT_EQ(nans(run(x, [](Value v) { return max_pool(v, {3, 1, 1}); })), 9);
  EXPECT_EQ(nans(run(x, [](Value v) { return average_pool(v, {3, 1, 1}); })), 9);
}

TEST(Pool, Pictures_smaller_than_the_window_are_refused) {
  EXPECT_THROW(run(random_pictures({1, 2, 9, 1}, 3), [](Value v) { return max_pool(v, {3, 2}); }), Error);
}

TEST(MeanPositions, Is_the_mean_for_any_number_of_threads) {
  const Tensor x = random_pictures({3, 73, 31, 70}, 4);
  const Tensor one = run(x, [](Value v) { return mean_positions(v); }, 1), three = run(x, [](Value v) { return mean_positions(v); }, 3);
  ASSERT_EQ(one.shape(), Shape({3, 70}));
  for (int64_t i = 0; i < one.count(); ++i) {
    double sum = 0;
    for (int64_t p = 0; p < 73 * 31; ++p) sum += static_cast<double>(x.values<float>()[static_cast<size_t>((i / 70 * 73 * 31 + p) * 70 + i % 70)]);
    const float want = static_cast<float>(sum / (73 * 31));
    EXPECT_EQ(one.values<float>()[static_cast<size_t>(i)], want);
    EXPECT_EQ(three.values<float>()[static_cast<size_t>(i)], want);
  }
}

}  // namespace
}  // namespace nibble::ops
