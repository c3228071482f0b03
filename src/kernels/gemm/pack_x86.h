// Expansion of weights into float panels [tap][k][nr] with 256-bit vectors; included by the x86 kernel files.
#pragma once

#include "kernels/gemm/weight_element.h"

namespace nibble::kernels {
namespace {

NIBBLE_INLINE __m256 expand_f16(__m128i v) { return _mm256_cvtph_ps(v); }
NIBBLE_INLINE __m256 expand_bf16(__m128i v) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
}

NIBBLE_INLINE __m256 load8(DType dtype, const void* data, int64_t index) {
  if (dtype == DType::F32) return _mm256_loadu_ps(static_cast<const float*>(data) + index);
  const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(static_cast<const uint16_t*>(data) + index));
  return dtype == DType::F16 ? expand_f16(v) : expand_bf16(v);
}

NIBBLE_INLINE __m256 load_up_to_8(DType dtype, const void* data, int64_t index, int64_t count) {
  float lanes[8] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = load_element(dtype, data, index + i);
  return _mm256_loadu_ps(lanes);
}

NIBBLE_INLINE void transpose_8x8(__m256 r[8]) {
  __m256 t[8], u[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    u[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    u[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    u[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    u[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
}

NIBBLE_INLINE __m256 first_lanes(int count) {
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
}

// Weights whose `count` elements per output channel are consecutive, starting at `first` for channel 0 of the panel.
// They run over `taps` taps, then over k: taps = 1 is a linear layer (or one tap), more is the order of OIHW.
struct ConsecutiveWeights {
  const void* data;
  int64_t first, n_stride, count, taps;
};

// Eight channels of elements [begin, end) into column `group` of the panel; `mask` clears missing channels.
NIBBLE_INLINE void expand_group(DType dtype, const ConsecutiveWeights& w, const int64_t* rows, int64_t begin,
                                int64_t end, int64_t k, int nr, __m256 mask, float* out) {
  int64_t tap = begin % w.taps;
  float* at = out + (tap * k + begin / w.taps) * nr;
  const int64_t tap_step = k * nr, wrap = w.taps * k * nr - nr;
  for (int64_t j = begin; j < end; j += 8) {
    __m256 r[8];
    const int64_t valid = end - j < 8 ? end - j : 8;
    if (valid == 8) {
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) r[i] = load8(dtype, w.data, rows[i] + j);
    } else {
      for (int i = 0; i < 8; ++i) r[i] = load_up_to_8(dtype, w.data, rows[i] + j, valid);
    }
    transpose_8x8(r);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      if (i < valid) _mm256_storeu_ps(at, _mm256_and_ps(r[i], mask));
      at += tap_step;
      if (++tap == w.taps) {
        tap = 0;
        at -= wrap;
      }
    }
  }
}

// Blocks of 32 elements keep a channel's cache line until it is used up, also when all channels fall on one cache set.
NIBBLE_INLINE void expand_consecutive(DType dtype, const ConsecutiveWeights& w, int n_count, int64_t k, int nr,
                                      float* panel) {
  int64_t rows[32];
  for (int i = 0; i < nr; ++i) rows[i] = w.first + (i < n_count ? i : n_count - 1) * w.n_stride;
  for (int64_t begin = 0; begin < w.count; begin += 32) {
    const int64_t end = begin + 32 < w.count ? begin + 32 : w.count;
    for (int group = 0; group < nr; group += 8)
      expand_group(dtype, w, rows + group, begin, end, k, nr, first_lanes(n_count - group), panel + group);
  }
}

// Weights whose channels are consecutive (n_stride 1): a copy.
NIBBLE_INLINE void expand_rows(DType dtype, const WeightView& w, int64_t n_begin, int n_count, int64_t taps, int64_t k,
                               int nr, float* panel) {
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t kk = 0; kk < k; ++kk, panel += nr) {
      const int64_t first = n_begin + tap * w.tap_stride + kk * w.k_stride;
      for (int j = 0; j < nr; j += 8) {
        const int left = n_count - j;
        _mm256_storeu_ps(panel + j, left >= 8 ? load8(dtype, w.data, first + j)
                                              : load_up_to_8(dtype, w.data, first + j, left < 0 ? 0 : left));
      }
    }
}

NIBBLE_INLINE void expand_any(DType dtype, const WeightView& w, int64_t n_begin, int n_count, int64_t taps, int64_t k,
                              int nr, float* panel) {
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t kk = 0; kk < k; ++kk)
      for (int j = 0; j < nr; ++j) {
        const int64_t index = (n_begin + j) * w.n_stride + tap * w.tap_stride + kk * w.k_stride;
        *panel++ = j < n_count ? load_element(dtype, w.data, index) : 0.0f;
      }
}

// `dtype` is a constant at each call, so that every storage type gets its own loops.
NIBBLE_INLINE void expand_typed(DType dtype, const WeightView& w, int64_t n_begin, int n_count, int64_t taps, int64_t k,
                                int nr, float* panel) {
  const int64_t first = n_begin * w.n_stride;
  if (w.k_stride == 1) {
    for (int64_t tap = 0; tap < taps; ++tap)
      expand_consecutive(dtype, {w.data, first + tap * w.tap_stride, w.n_stride, k, 1}, n_count, k, nr,
                         panel + tap * k * nr);
  } else if (w.tap_stride == 1 && w.k_stride == taps) {
    expand_consecutive(dtype, {w.data, first, w.n_stride, taps * k, taps}, n_count, k, nr, panel);
  } else if (w.n_stride == 1) {
    expand_rows(dtype, w, n_begin, n_count, taps, k, nr, panel);
  } else {
    expand_any(dtype, w, n_begin, n_count, taps, k, nr, panel);
  }
}

NIBBLE_INLINE void expand_panel(const WeightView& w, int64_t n_begin, int n_count, int64_t taps, int64_t k, int nr,
                                float* panel) {
  if (w.dtype == DType::F32) return expand_typed(DType::F32, w, n_begin, n_count, taps, k, nr, panel);
  if (w.dtype == DType::F16) return expand_typed(DType::F16, w, n_begin, n_count, taps, k, nr, panel);
  expand_typed(DType::BF16, w, n_begin, n_count, taps, k, nr, panel);
}

}  // namespace
}  // namespace nibble::kernels
