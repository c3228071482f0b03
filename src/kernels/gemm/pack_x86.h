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

// A panel being filled: weights of output channels [n_begin, n_begin + n_count), padded with zeros to nr columns.
struct PanelSource {
  WeightView weight;
  int64_t n_begin;
  int n_count, nr;
};

// Eight channels of elements [begin, end) to out[j][nr]; `mask` clears missing channels.
NIBBLE_INLINE void expand_group(DType dtype, const void* data, const int64_t* rows, int64_t begin, int64_t end, int nr,
                                __m256 mask, float* out) {
  for (int64_t j = begin; j < end; j += 8) {
    __m256 r[8];
    const int64_t valid = end - j < 8 ? end - j : 8;
    if (valid == 8) {
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) r[i] = load8(dtype, data, rows[i] + j);
    } else {
      for (int i = 0; i < 8; ++i) r[i] = load_up_to_8(dtype, data, rows[i] + j, valid);
    }
    transpose_8x8(r);
    float* at = out + j * nr;
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i)
      if (i < valid) _mm256_storeu_ps(at + i * nr, _mm256_and_ps(r[i], mask));
  }
}

// `count` elements of each channel that lie side by side, from element `first` of the channel on, to out[count][nr].
// Blocks of 32 elements keep a channel's cache line until it is used up, also when all channels fall on one cache set.
NIBBLE_INLINE void expand_consecutive(DType dtype, const PanelSource& s, int64_t first, int64_t count, float* out) {
  int64_t rows[32];
  for (int i = 0; i < s.nr; ++i)
    rows[i] = first + (s.n_begin + (i < s.n_count ? i : s.n_count - 1)) * s.weight.n_stride;
  for (int64_t begin = 0; begin < count; begin += 32) {
    const int64_t end = begin + 32 < count ? begin + 32 : count;
    for (int group = 0; group < s.nr; group += 8)
      expand_group(dtype, s.weight.data, rows + group, begin, end, s.nr, first_lanes(s.n_count - group), out + group);
  }
}

// k in [k_begin, k_begin + k_count) of one tap, to out[k_count][nr].
NIBBLE_INLINE void expand_tap(DType dtype, const PanelSource& s, int64_t tap, int64_t k_begin, int64_t k_count,
                              float* out) {
  const WeightView& w = s.weight;
  if (w.k_stride == 1) return expand_consecutive(dtype, s, tap * w.tap_stride + k_begin, k_count, out);
  for (int64_t kk = k_begin; kk < k_begin + k_count; ++kk, out += s.nr) {
    const int64_t first = s.n_begin * w.n_stride + tap * w.tap_stride + kk * w.k_stride;
    for (int j = 0; j < s.nr; j += 8) {
      const int left = s.n_count - j;
      if (left >= 8 && w.n_stride == 1) {
        _mm256_storeu_ps(out + j, load8(dtype, w.data, first + j));
        continue;
      }
      for (int i = j; i < j + 8; ++i)
        out[i] = i < s.n_count ? load_element(dtype, w.data, first + i * w.n_stride) : 0.0f;
    }
  }
}

// Weights in the order of checkpoints' convolutions, [n][k][tap].
NIBBLE_INLINE bool taps_are_innermost(const WeightView& w, int64_t taps) {
  return taps > 1 && w.tap_stride == 1 && w.k_stride == taps;
}

constexpr int64_t kStageFloats = 4096;  // half of the L1 cache

// How many k a stage of float [k][taps][nr] holds, a multiple of 8 if it can be; 0: not one.
NIBBLE_INLINE int64_t stage_k(int64_t taps, int nr) {
  const int64_t k = kStageFloats / (taps * nr);
  return k >= 8 ? k / 8 * 8 : k;
}

// All taps of k in [k_begin, k_begin + k_count), to stage[k_count][taps][nr]; the taps must be innermost.
NIBBLE_INLINE void expand_all_taps(DType dtype, const PanelSource& s, int64_t taps, int64_t k_begin, int64_t k_count,
                                   float* stage) {
  expand_consecutive(dtype, s, k_begin * taps, k_count * taps, stage);
}

// The panel float [tap][k][nr]. `dtype` is a constant at each call, so that every storage type gets its own loops.
NIBBLE_INLINE void expand_typed(DType dtype, const PanelSource& s, int64_t taps, int64_t k, float* panel) {
  const int64_t step = stage_k(taps, s.nr);
  if (!taps_are_innermost(s.weight, taps) || step == 0) {
    for (int64_t tap = 0; tap < taps; ++tap) expand_tap(dtype, s, tap, 0, k, panel + tap * k * s.nr);
    return;
  }
  alignas(32) float stage[kStageFloats];
  for (int64_t k_begin = 0; k_begin < k; k_begin += step) {
    const int64_t k_count = k - k_begin < step ? k - k_begin : step;
    expand_all_taps(dtype, s, taps, k_begin, k_count, stage);
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t kk = 0; kk < k_count; ++kk)
        for (int j = 0; j < s.nr; j += 8)
          _mm256_storeu_ps(panel + (tap * k + k_begin + kk) * s.nr + j,
                           _mm256_load_ps(stage + (kk * taps + tap) * s.nr + j));
  }
}

NIBBLE_INLINE void expand_panel(const PanelSource& s, int64_t taps, int64_t k, float* panel) {
  if (s.weight.dtype == DType::F32) return expand_typed(DType::F32, s, taps, k, panel);
  if (s.weight.dtype == DType::F16) return expand_typed(DType::F16, s, taps, k, panel);
  expand_typed(DType::BF16, s, taps, k, panel);
}

}  // namespace
}  // namespace nibble::kernels
