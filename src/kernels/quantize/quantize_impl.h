// The quantize kernels over the Vec of the including quantize_<isa>.cc, which also gives store_codes(int8_t*, Vec): kWidth
// whole numbers in [-127, 127] as bytes; and CodeBlocks, void or a faster way to round kVectors vectors, store their codes and
// sum them, with the same results.
#pragma once

#include <type_traits>

#include "kernels/quantize/table.h"

namespace nibble::kernels {
namespace {

constexpr int64_t kWidth = Vec::kWidth;
constexpr int64_t kGroup = 64;

template <typename T, bool smooth>
NIBBLE_INLINE Vec smoothed(const T* x, const float* input_scale, int64_t i, int64_t n) {
  const Vec v = n == kWidth ? load(x + i) : load_part(x + i, n);
  if constexpr (!smooth) return v;
  return v * (n == kWidth ? load(input_scale + i) : load_part(input_scale + i, n));
}

NIBBLE_INLINE int64_t part_of(int64_t k, int64_t i) { return k - i < kWidth ? k - i : kWidth; }

template <typename T, bool smooth>
NIBBLE_INLINE Vec row_maxima(const T* x, int64_t k, const float* input_scale, Vec most) {
  Vec other = most;
  int64_t i = 0;
  for (; i + 2 * kWidth <= k; i += 2 * kWidth) {
    most = larger(abs(smoothed<T, smooth>(x, input_scale, i, kWidth)), most);
    other = larger(abs(smoothed<T, smooth>(x, input_scale, i + kWidth, kWidth)), other);
  }
  for (; i < k; i += kWidth) most = larger(abs(smoothed<T, smooth>(x, input_scale, i, part_of(k, i))), most);
  return larger(other, most);
}

NIBBLE_INLINE void store_part_codes(int8_t* codes, Vec v, int64_t n) {
  int8_t lanes[kWidth];
  store_codes(lanes, v);
  for (int64_t i = 0; i < n; ++i) codes[i] = lanes[i];
}

template <typename T, bool smooth>
struct Rows {
  static float absmax(const T* x, int64_t rows, int64_t k, const float* input_scale) {
    Vec most = set(0.0f);
    for (int64_t r = 0; r < rows; ++r) most = row_maxima<T, smooth>(x + r * k, k, input_scale, most);
    return reduce_max(most);
  }

  // As many codes as whole blocks hold; returns their number and adds their sum.
  template <typename Blocks = CodeBlocks>
  static int64_t code_blocks(const T* x, int64_t k, const float* input_scale, Vec reciprocal, int8_t* codes, int32_t* sum) {
    int64_t i = 0;
    if constexpr (!std::is_void_v<Blocks>) {
      Blocks blocks;
      for (; i + Blocks::kVectors * kWidth <= k; i += Blocks::kVectors * kWidth) {
        Vec v[Blocks::kVectors];
        NIBBLE_UNROLL
        for (int64_t j = 0; j < Blocks::kVectors; ++j) v[j] = smoothed<T, smooth>(x, input_scale, i + j * kWidth, kWidth) * reciprocal;
        blocks.store(codes + i, v);
      }
      *sum += blocks.total();
    }
    return i;
  }

  // Sums of codes stay exact in float: |sum| < 2^24 for k < 132,000.
  static void int8_row(const T* x, int64_t k, int64_t padded_k, const float* input_scale, float scale, int8_t* codes,
                       int32_t* sum) {
    const Vec reciprocal = set(scale > 0.0f ? 1.0f / scale : 0.0f), low = set(-127.0f), high = set(127.0f);
    Vec total = set(0.0f);
    *sum = 0;
    int64_t i = code_blocks(x, k, input_scale, reciprocal, codes, sum);
    for (; i + kWidth <= k; i += kWidth) {
      const Vec q = smaller(larger(round(smoothed<T, smooth>(x, input_scale, i, kWidth) * reciprocal), low), high);
      total = total + q;
      store_codes(codes + i, q);
    }
    if (i < k) {
      const Vec q = smaller(larger(round(smoothed<T, smooth>(x, input_scale, i, k - i) * reciprocal), low), high);
      total = total + q;
      store_part_codes(codes + i, q, k - i);
    }
    for (i = k; i < padded_k; ++i) codes[i] = 0;
    *sum += static_cast<int32_t>(reduce_add(total));
  }

  static void int8_rows(const T* x, int64_t rows, int64_t k, int64_t padded_k, const float* input_scale, int8_t* codes,
                        float* scales, int32_t* sums) {
    for (int64_t r = 0; r < rows; ++r, x += k) {
      scales[r] = reduce_max(row_maxima<T, smooth>(x, k, input_scale, set(0.0f))) / 127.0f;
      int8_row(x, k, padded_k, input_scale, scales[r], codes + r * padded_k, sums + r);
    }
  }

  static void int8_scaled(const T* x, int64_t rows, int64_t k, int64_t padded_k, const float* input_scale, float scale,
                          int8_t* codes, int32_t* sums) {
    for (int64_t r = 0; r < rows; ++r) int8_row(x + r * k, k, padded_k, input_scale, scale, codes + r * padded_k, sums + r);
  }
};

template <typename T>
struct Quantize {
  static float absmax(const void* x, int64_t rows, int64_t k, const float* input_scale) {
    const auto run = input_scale ? Rows<T, true>::absmax : Rows<T, false>::absmax;
    return run(static_cast<const T*>(x), rows, k, input_scale);
  }

  // One vector of channels, or `n` of them.
  static void extremes_of(const T* x, int64_t rows, int64_t k, int64_t n, T* low, T* high) {
    Vec least = n == kWidth ? load(low) : load_part(low, n), most = n == kWidth ? load(high) : load_part(high, n);
    for (int64_t r = 0; r < rows; ++r, x += k) {
      const Vec v = n == kWidth ? load(x) : load_part(x, n);
      least = smaller(v, least);
      most = larger(v, most);
    }
    if (n == kWidth) store(low, least), store(high, most);
    else store_part(low, least, n), store_part(high, most, n);
  }

  static void channel_extremes(const void* data, int64_t rows, int64_t k, void* lowest, void* highest) {
    constexpr int64_t kVectors = 4;
    const T* x = static_cast<const T*>(data);
    T *low = static_cast<T*>(lowest), *high = static_cast<T*>(highest);
    int64_t i = 0;
    for (; i + kVectors * kWidth <= k; i += kVectors * kWidth) {
      Vec least[kVectors], most[kVectors];
      NIBBLE_UNROLL
      for (int64_t j = 0; j < kVectors; ++j) least[j] = load(low + i + j * kWidth), most[j] = load(high + i + j * kWidth);
      const T* at = x + i;
      for (int64_t r = 0; r < rows; ++r, at += k) {
        NIBBLE_UNROLL
        for (int64_t j = 0; j < kVectors; ++j) {
          const Vec v = load(at + j * kWidth);
          least[j] = smaller(v, least[j]);
          most[j] = larger(v, most[j]);
        }
      }
      NIBBLE_UNROLL
      for (int64_t j = 0; j < kVectors; ++j) store(low + i + j * kWidth, least[j]), store(high + i + j * kWidth, most[j]);
    }
    for (; i < k; i += kWidth) extremes_of(x + i, rows, k, part_of(k, i), low + i, high + i);
  }

  static void int8_rows(const void* x, int64_t rows, int64_t k, int64_t padded_k, const float* input_scale, int8_t* codes,
                        float* scales, int32_t* sums) {
    const auto run = input_scale ? Rows<T, true>::int8_rows : Rows<T, false>::int8_rows;
    run(static_cast<const T*>(x), rows, k, padded_k, input_scale, codes, scales, sums);
  }

  static void int8_scaled(const void* x, int64_t rows, int64_t k, int64_t padded_k, const float* input_scale, float scale,
                          int8_t* codes, int32_t* sums) {
    const auto run = input_scale ? Rows<T, true>::int8_scaled : Rows<T, false>::int8_scaled;
    run(static_cast<const T*>(x), rows, k, padded_k, input_scale, scale, codes, sums);
  }

  // Lanes beyond k hold 0: they would hold the shift otherwise. sums [2].
  static void int4_group(const T* x, int64_t k, const float* input_scale, float shift, int8_t* codes, float* scale, float* sums) {
    constexpr int64_t kVectors = kGroup / kWidth;
    const bool is_shifted = shift > 0.0f;
    Vec values[kVectors], most = set(0.0f);
    for (int64_t j = 0; j < kVectors; ++j) {
      const int64_t i = j * kWidth, n = k - i < kWidth ? (k > i ? k - i : 0) : kWidth;
      Vec v = n == kWidth ? load(x + i) : load_part(x + i, n);
      if (is_shifted) v = v + set(shift);
      if (input_scale) v = v * (n == kWidth ? load(input_scale + i) : load_part(input_scale + i, n));
      if (is_shifted) v = larger(v, set(0.0f));
      if (n < kWidth) v = first_lanes(v, n);
      values[j] = v;
      most = larger(abs(v), most);
    }
    *scale = reduce_max(most) / (is_shifted ? 15.0f : 7.0f);
    const Vec reciprocal = set(*scale > 0.0f ? 1.0f / *scale : 0.0f);
    const Vec low = set(is_shifted ? 0.0f : -7.0f), high = set(is_shifted ? 15.0f : 7.0f);
    Vec totals[2] = {set(0.0f), set(0.0f)};
    for (int64_t j = 0; j < kVectors && j * kWidth < k; ++j) {
      const int64_t i = j * kWidth;
      const Vec q = smaller(larger(round(values[j] * reciprocal), low), high);
      totals[i / 32] = totals[i / 32] + q;
      if (k - i >= kWidth) store_codes(codes + i, q);
      else store_part_codes(codes + i, q, k - i);
    }
    sums[0] = reduce_add(totals[0]), sums[1] = reduce_add(totals[1]);
  }

  static Vec first_lanes(Vec v, int64_t n) {
    float lanes[kWidth] = {};
    store_part(lanes, v, n);
    return load(lanes);
  }

  static void int4_groups(const void* data, int64_t rows, int64_t k, int64_t padded_k, const float* input_scale, float shift,
                          int8_t* codes, float* scales, int32_t* sums) {
    const T* x = static_cast<const T*>(data);
    for (int64_t r = 0; r < rows; ++r, x += k, codes += padded_k) {
      for (int64_t i = 0; i < padded_k; i += kGroup) {
        const int64_t n = k - i < kGroup ? (k > i ? k - i : 0) : kGroup;
        float totals[2];
        int4_group(x + i, n, input_scale ? input_scale + i : nullptr, shift, codes + i, scales++, totals);
        *sums++ = static_cast<int32_t>(totals[0]);
        if (i + 32 < padded_k) *sums++ = static_cast<int32_t>(totals[1]);
      }
      for (int64_t i = k; i < padded_k; ++i) codes[i] = 0;
    }
  }

  static constexpr QuantizeKernel kernel(const char* name, DType dtype) {
    return {name, kIsa, dtype, absmax, channel_extremes, int8_rows, int8_scaled, int4_groups};
  }
};

}  // namespace
}  // namespace nibble::kernels
