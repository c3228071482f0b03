// The norm kernels over the Vec of the including norm_<isa>.cc.
#pragma once

#include "kernels/norm/moments.h"
#include "kernels/norm/table.h"

namespace nibble::kernels {
namespace {

constexpr int64_t kWidth = Vec::kWidth;
constexpr int64_t kChunk = 256;  // channels whose running sums stay in the first-level cache

// Sums of f(vector index) over a row of `count` elements in four interleaved accumulators; f(i, n) returns 0 in lanes
// past n.
template <typename Function>
NIBBLE_INLINE float sum_row(int64_t count, Function f) {
  Vec sums[4] = {set(0.0f), set(0.0f), set(0.0f), set(0.0f)};
  int64_t i = 0;
  for (; i + 4 * kWidth <= count; i += 4 * kWidth) {
    NIBBLE_UNROLL
    for (int64_t j = 0; j < 4; ++j) sums[j] = f(sums[j], i + j * kWidth, kWidth);
  }
  for (; i < count; i += kWidth) sums[0] = f(sums[0], i, count - i < kWidth ? count - i : kWidth);
  return reduce_add((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

template <typename T>
NIBBLE_INLINE Vec get(const T* p, int64_t i, int64_t n) {
  return n == kWidth ? load(p + i) : load_part(p + i, n);
}

template <typename T>
NIBBLE_INLINE void put(T* p, int64_t i, int64_t n, Vec value) {
  if (n == kWidth) return store(p + i, value);
  store_part(p + i, value, n);
}

template <typename T>
struct Norm {
  // Per channel: sums of the distances from the first row and of their squares, which cannot cancel as sums about zero
  // do.
  static void channel_sums(const T* x, int64_t stride, int64_t rows, int64_t count, float* sums, float* squares) {
    for (int64_t i = 0; i < count; i += kWidth) {
      store(sums + i, set(0.0f));
      store(squares + i, set(0.0f));
    }
    for (int64_t r = 0; r < rows; r += 4) {
      const int64_t used = rows - r < 4 ? rows - r : 4;
      for (int64_t i = 0; i < count; i += kWidth) {
        const int64_t n = count - i < kWidth ? count - i : kWidth;
        const Vec first = get(x, i, n);
        Vec sum = load(sums + i), square = load(squares + i);
        for (int64_t j = 0; j < used; ++j) {
          const Vec distance = get(x + (r + j) * stride, i, n) - first;
          sum = sum + distance;
          square = fma(distance, distance, square);
        }
        store(sums + i, sum);
        store(squares + i, square);
      }
    }
  }

  // Moments of channels [begin, end) of a chunk: equal counts, so the mean of means and the sums about it suffice.
  static NormPartial join_channels(const T* x, int64_t rows, int64_t begin, int64_t end, const float* sums,
                                   const float* squares) {
    const double n = static_cast<double>(rows), per_row = 1.0 / n;
    double means[kChunk], total = 0.0, m2 = 0.0, spread = 0.0;
    for (int64_t c = begin; c < end; ++c) {
      const double sum = sums[c];
      means[c] = static_cast<double>(first_value(x + c)) + sum * per_row;
      total += means[c];
      m2 += static_cast<double>(squares[c]) - sum * sum * per_row;
    }
    const double mean = total / static_cast<double>(end - begin);
    for (int64_t c = begin; c < end; ++c) spread += (means[c] - mean) * (means[c] - mean);
    const double all = m2 + n * spread;
    return {n * static_cast<double>(end - begin), mean, all < 0.0 ? 0.0 : all};
  }

  static float first_value(const float* p) { return *p; }
  static float first_value(const BFloat16* p) {
    return __builtin_bit_cast(float, static_cast<uint32_t>(p->bits) << 16);
  }

  static void group_partial(const void* data, int64_t x_stride, int64_t rows, int64_t channels, int64_t groups,
                            NormPartial* partial) {
    alignas(64) float sums[kChunk], squares[kChunk];
    const int64_t width = channels / groups;
    for (int64_t g = 0; g < groups; ++g) partial[g] = {0.0, 0.0, 0.0};
    for (int64_t start = 0; start < channels; start += kChunk) {
      const int64_t count = channels - start < kChunk ? channels - start : kChunk;
      const T* x = static_cast<const T*>(data) + start;
      channel_sums(x, x_stride, rows, count, sums, squares);
      for (int64_t c = 0; c < count;) {
        const int64_t group = (start + c) / width;
        const int64_t group_end = (group + 1) * width - start;
        const int64_t end = group_end < count ? group_end : count;
        partial[group] = merge(partial[group], join_channels(x, rows, c, end, sums, squares));
        c = end;
      }
    }
  }

  template <bool silu>
  static void affine_rows(const T* x, int64_t x_stride, T* y, int64_t y_stride, int64_t rows, int64_t channels,
                          const float* scale, const float* shift) {
    for (int64_t r = 0; r < rows; ++r, x += x_stride, y += y_stride)
      for (int64_t i = 0; i < channels; i += kWidth) {
        const int64_t n = channels - i < kWidth ? channels - i : kWidth;
        const Vec value = fma(get(x, i, n), get(scale, i, n), get(shift, i, n));
        put(y, i, n, silu ? value * sigmoid(value) : value);
      }
  }

  static void affine(const void* x, int64_t x_stride, void* y, int64_t y_stride, int64_t rows, int64_t channels,
                     const float* scale, const float* shift, bool silu) {
    const auto run = silu ? affine_rows<true> : affine_rows<false>;
    run(static_cast<const T*>(x), x_stride, static_cast<T*>(y), y_stride, rows, channels, scale, shift);
  }

  // y = (x - mean) * rstd * gamma + beta
  static void normalize_row(const T* x, T* y, int64_t columns, float mean, float rstd, const float* gamma,
                            const float* beta) {
    for (int64_t i = 0; i < columns; i += kWidth) {
      const int64_t n = columns - i < kWidth ? columns - i : kWidth;
      Vec value = (get(x, i, n) - set(mean)) * set(rstd);
      if (gamma) value = value * get(gamma, i, n);
      if (beta) value = value + get(beta, i, n);
      put(y, i, n, value);
    }
  }

  static float reciprocal_root(float x) { return 1.0f / __builtin_sqrtf(x); }

  static void layer_norm(const void* data, int64_t x_stride, void* out, int64_t y_stride, int64_t rows, int64_t columns,
                         const float* gamma, const float* beta, float epsilon, float* mean_out, float* rstd_out) {
    const float count = static_cast<float>(columns);
    for (int64_t r = 0; r < rows; ++r) {
      const T* x = static_cast<const T*>(data) + r * x_stride;
      const float mean = sum_row(columns, [=](Vec sum, int64_t i, int64_t n) { return sum + get(x, i, n); }) / count;
      const float variance = sum_row(columns,
                                     [=](Vec sum, int64_t i, int64_t n) {
                                       const Vec distance =
                                           n == kWidth ? load(x + i) - set(mean) : part_distance(x + i, n, mean);
                                       return fma(distance, distance, sum);
                                     }) /
                             count;
      const float rstd = reciprocal_root(variance + epsilon);
      normalize_row(x, static_cast<T*>(out) + r * y_stride, columns, mean, rstd, gamma, beta);
      if (mean_out) mean_out[r] = mean;
      if (rstd_out) rstd_out[r] = rstd;
    }
  }

  static Vec part_distance(const T* x, int64_t n, float mean) {
    float lanes[kWidth] = {};
    store_part(lanes, load_part(x, n) - set(mean), n);
    return load(lanes);
  }

  static void rms_norm(const void* data, int64_t x_stride, void* out, int64_t y_stride, int64_t rows, int64_t columns,
                       const float* gamma, float epsilon, float* rstd_out) {
    for (int64_t r = 0; r < rows; ++r) {
      const T* x = static_cast<const T*>(data) + r * x_stride;
      const float sum = sum_row(columns, [=](Vec total, int64_t i, int64_t n) {
        const Vec value = get(x, i, n);
        return fma(value, value, total);
      });
      const float rstd = reciprocal_root(sum / static_cast<float>(columns) + epsilon);
      normalize_row(x, static_cast<T*>(out) + r * y_stride, columns, 0.0f, rstd, gamma, nullptr);
      if (rstd_out) rstd_out[r] = rstd;
    }
  }

  static constexpr NormKernel kernel(const char* name, DType dtype, Isa isa = kIsa) {
    return {name, isa, dtype, group_partial, affine, layer_norm, rms_norm};
  }
};

}  // namespace
}  // namespace nibble::kernels
