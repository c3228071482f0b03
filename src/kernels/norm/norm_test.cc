// Every norm kernel against two-pass double formulas.
#include <algorithm>

#include "kernels/norm/table.h"
#include "kernels/simd/test_data.h"

namespace nibble::kernels {
namespace {

struct Moments {
  double mean, variance;
};

template <typename Get>
Moments moments(int64_t count, Get get) {
  double mean = 0.0, variance = 0.0;
  for (int64_t i = 0; i < count; ++i) mean += get(i) / static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) variance += (get(i) - mean) * (get(i) - mean) / static_cast<double>(count);
  return {mean, variance};
}

struct GroupCase {
  int64_t pixels, channels, groups;
  float mean, deviation;
};

// From channels narrower than a vector to groups wider than a chunk, and far from zero.
constexpr GroupCase kGroupCases[] = {{64, 32, 4, 0, 1},    {1, 32, 32, 0.5f, 1}, {130, 320, 32, 2, 3},
                                     {77, 10, 2, 0, 1},    {100, 600, 2, -1, 1}, {65, 21, 3, 0, 0.01f},
                                     {257, 64, 32, 50, 1}, {9, 1280, 32, 0, 1},  {200, 128, 32, 300, 1}};

std::vector<NormPartial> all_partials(const NormKernel& kernel, Array& x, const GroupCase& c) {
  const int64_t blocks = group_norm_blocks(c.pixels);
  std::vector<NormPartial> partial(static_cast<size_t>(blocks * c.groups));
  for (int64_t b = 0; b < blocks; ++b)
    kernel.group_partial(x.at(b * kGroupNormBlockRows * c.channels), c.channels,
                         std::min(kGroupNormBlockRows, c.pixels - b * kGroupNormBlockRows), c.channels, c.groups,
                         partial.data() + b * c.groups);
  return partial;
}

TEST(GroupNorm, Matches_double_over_all_phases) {
  for (const NormKernel* kernel : runnable(kNormKernels))
    for (const GroupCase& c : kGroupCases) {
      Array x = Array::normal(kernel->dtype, c.pixels * c.channels, c.mean, c.deviation);
      const Array gamma = Array::normal(DType::F32, c.channels, 1.0f, 0.3f),
                  beta = Array::normal(DType::F32, c.channels);
      const auto partial = all_partials(*kernel, x, c);
      std::vector<float> mean(c.groups), rstd(c.groups), scale(c.channels), shift(c.channels);
      finish_group_norm(partial.data(), group_norm_blocks(c.pixels), c.groups, 1e-5f, mean.data(), rstd.data());
      fold_group_norm(mean.data(), rstd.data(), gamma.floats(), beta.floats(), c.channels, c.groups, scale.data(),
                      shift.data());
      for (const bool silu : {false, true}) {
        Array y(kernel->dtype, x.size());
        kernel->affine(x.data(), c.channels, y.data(), c.channels, c.pixels, c.channels, scale.data(), shift.data(),
                       silu);
        ASSERT_TRUE(y.guards_whole()) << kernel->name;
        const int64_t width = c.channels / c.groups;
        for (int64_t g = 0; g < c.groups; ++g) {
          const Moments m =
              moments(c.pixels * width, [&](int64_t i) { return x[i / width * c.channels + g * width + i % width]; });
          // Distances from the block's first row: squares of a few deviations, summed over at most 64 rows in float.
          const double exact_rstd = 1.0 / std::sqrt(m.variance + 1e-5);
          ASSERT_NEAR(mean[g], m.mean, 0x1p-22 * (std::fabs(m.mean) + 4 * c.deviation)) << kernel->name;
          ASSERT_NEAR(rstd[g], exact_rstd, exact_rstd * 64 * 0x1p-24) << kernel->name << " channels " << c.channels;
          for (int64_t i = 0; i < c.pixels * width; ++i) {
            const int64_t channel = g * width + i % width, at = i / width * c.channels + channel;
            const double affine = (x[at] - m.mean) * exact_rstd * gamma.floats()[channel] + beta.floats()[channel];
            const double want = silu ? affine / (1.0 + std::exp(-affine)) : affine;
            const double size =
                (std::fabs(x[at]) + std::fabs(m.mean)) * exact_rstd * std::fabs(gamma.floats()[channel]);
            ASSERT_NEAR(y[at], want, storage_epsilon(kernel->dtype) * std::fabs(want) + 64 * 0x1p-24 * (1 + size) * 1.1)
                << kernel->name;
          }
        }
      }
    }
}

TEST(GroupNorm, Variance_survives_a_large_mean) {
  for (const NormKernel* kernel : runnable(kNormKernels)) {
    if (kernel->dtype != DType::F32) continue;
    const GroupCase c = {4096, 8, 1, 10000.0f, 1.0f};
    Array x = Array::normal(DType::F32, c.pixels * c.channels, c.mean, c.deviation);
    const auto partial = all_partials(*kernel, x, c);
    float mean, rstd;
    finish_group_norm(partial.data(), group_norm_blocks(c.pixels), 1, 0.0f, &mean, &rstd);
    const Moments m = moments(x.size(), [&](int64_t i) { return x[i]; });
    EXPECT_NEAR(rstd, 1.0 / std::sqrt(m.variance), 1e-5) << kernel->name;
  }
}

TEST(GroupNorm, Affine_rows_may_be_split_anywhere_and_run_in_place) {
  for (const NormKernel* kernel : runnable(kNormKernels)) {
    const int64_t rows = 23, channels = 37, stride = 41;
    Array x = Array::normal(kernel->dtype, rows * stride);
    const Array scale = Array::normal(DType::F32, channels), shift = Array::normal(DType::F32, channels);
    Array whole(kernel->dtype, rows * channels), pieces(kernel->dtype, rows * channels);
    kernel->affine(x.data(), stride, whole.data(), channels, rows, channels, scale.floats(), shift.floats(), true);
    for (int64_t r = 0; r < rows; ++r)
      kernel->affine(x.at(r * stride), stride, pieces.at(r * channels), channels, 1, channels, scale.floats(),
                     shift.floats(), true);
    ASSERT_TRUE(whole.same_bits(pieces)) << kernel->name;
    kernel->affine(x.data(), stride, x.data(), stride, rows, channels, scale.floats(), shift.floats(), true);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < channels; ++i) ASSERT_EQ(x[r * stride + i], whole[r * channels + i]) << kernel->name;
  }
}

TEST(LayerNorm, Matches_double) {
  for (const NormKernel* kernel : runnable(kNormKernels))
    for (const int64_t columns : {1, 5, 8, 31, 64, 77, 320, 768, 1283})
      for (const bool plain : {false, true}) {
        const int64_t rows = 3, stride = columns + 3;
        const Array x = Array::normal(kernel->dtype, rows * stride, 3.0f, 2.0f);
        const Array gamma = Array::normal(DType::F32, columns), beta = Array::normal(DType::F32, columns);
        Array y(kernel->dtype, rows * columns), mean(DType::F32, rows), rstd(DType::F32, rows);
        kernel->layer_norm(x.data(), stride, y.data(), columns, rows, columns, plain ? nullptr : gamma.floats(),
                           plain ? nullptr : beta.floats(), 1e-5f, mean.floats(), rstd.floats());
        for (int64_t r = 0; r < rows; ++r) {
          const Moments m = moments(columns, [&](int64_t i) { return x[r * stride + i]; });
          const double exact = 1.0 / std::sqrt(m.variance + 1e-5), bound = 32 * 0x1p-24;
          ASSERT_NEAR(mean[r], m.mean, bound * 8) << kernel->name;
          if (columns > 1) {
            ASSERT_NEAR(rstd[r], exact, bound * exact) << kernel->name << ' ' << columns;
          }
          for (int64_t i = 0; i < columns; ++i) {
            const double factor = exact * (plain ? 1.0 : gamma[i]);
            const double want = (x[r * stride + i] - m.mean) * factor + (plain ? 0.0 : beta[i]);
            ASSERT_NEAR(y[r * columns + i], want,
                        storage_epsilon(kernel->dtype) * std::fabs(want) + bound * (1 + 9 * std::fabs(factor)))
                << kernel->name << ' ' << columns;
          }
        }
        ASSERT_TRUE(y.guards_whole()) << kernel->name;
        kernel->layer_norm(x.data(), stride, y.data(), columns, rows, columns, nullptr, nullptr, 1e-5f, nullptr,
                           nullptr);
      }
}

TEST(RmsNorm, Matches_double) {
  for (const NormKernel* kernel : runnable(kNormKernels))
    for (const int64_t columns : {1, 5, 8, 31, 64, 128, 768, 1283}) {
      const int64_t rows = 3;
      const Array x = Array::normal(kernel->dtype, rows * columns, 0.5f, 2.0f),
                  gamma = Array::normal(DType::F32, columns);
      Array y(kernel->dtype, rows * columns), rstd(DType::F32, rows);
      kernel->rms_norm(x.data(), columns, y.data(), columns, rows, columns, gamma.floats(), 1e-6f, rstd.floats());
      for (int64_t r = 0; r < rows; ++r) {
        double squares = 0.0;
        for (int64_t i = 0; i < columns; ++i) squares += x[r * columns + i] * x[r * columns + i];
        const double exact = 1.0 / std::sqrt(squares / static_cast<double>(columns) + 1e-6);
        ASSERT_NEAR(rstd[r], exact, 16 * 0x1p-24 * exact) << kernel->name;
        for (int64_t i = 0; i < columns; ++i) {
          const double want = x[r * columns + i] * exact * gamma[i];
          ASSERT_NEAR(y[r * columns + i], want, (storage_epsilon(kernel->dtype) + 16 * 0x1p-24) * std::fabs(want))
              << kernel->name << ' ' << columns;
        }
      }
      ASSERT_TRUE(y.guards_whole()) << kernel->name;
    }
}

}  // namespace
}  // namespace nibble::kernels
