// What the AVX-512 kernels share: tiles of 12 rows x 32 columns in 24 accumulators, and their results.
#pragma once

#include "kernels/gemm/pack_x86.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 12, kNr = 32;

// Round to nearest even, NaN stays NaN.
#if defined(__AVX512BF16__)
NIBBLE_INLINE __m256i to_bf16_bits(__m512 x) { return (__m256i)_mm512_cvtneps_pbh(x); }  // denormal numbers become 0
#else
NIBBLE_INLINE __m256i to_bf16_bits(__m512 x) {
  const __m512i u = _mm512_castps_si512(x), high = _mm512_srli_epi32(u, 16);
  const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, is_nan, _mm512_or_si512(high, _mm512_set1_epi32(0x40))));
}
#endif

NIBBLE_INLINE __m512 load16_bf16(const void* data, int64_t index) {
  const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(static_cast<const uint16_t*>(data) + index));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}

NIBBLE_INLINE __m512 load16(DType dtype, const void* data, int64_t index) {
  return dtype == DType::F32 ? _mm512_loadu_ps(static_cast<const float*>(data) + index) : load16_bf16(data, index);
}

NIBBLE_INLINE void store16(DType dtype, void* c, int64_t index, __m512 x) {
  if (dtype == DType::F32)
    _mm512_storeu_ps(static_cast<float*>(c) + index, x);
  else
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(static_cast<uint16_t*>(c) + index), to_bf16_bits(x));
}

// C = acc + bias + residual; acc [12][32].
NIBBLE_INLINE void store_tile(DType dtype, const float* acc, const TileArgs& args) {
  if (args.n_count != kNr) return store_tile_plain(dtype, acc, kNr, args);
  for (int j = 0; j < kNr; j += 16) {
    const __m512 bias = args.bias != nullptr ? _mm512_loadu_ps(args.bias + j) : _mm512_setzero_ps();
    for (int i = 0; i < args.m_count; ++i) {
      __m512 x = _mm512_load_ps(acc + i * kNr + j);
      if (args.bias != nullptr) x = _mm512_add_ps(x, bias);
      if (args.residual != nullptr) x = _mm512_add_ps(x, load16(dtype, args.residual, i * args.residual_stride + j));
      store16(dtype, args.c, i * args.c_stride + j, x);
    }
  }
}

NIBBLE_INLINE void prefetch_result(const TileArgs& args, int64_t item) {
  for (int i = 0; i < args.m_count; ++i)
    _mm_prefetch(static_cast<const char*>(args.c) + i * args.c_stride * item, _MM_HINT_T0);
}

NIBBLE_INLINE void clear(__m512 acc[kMr][2]) {
#pragma GCC unroll 12
  for (int i = 0; i < kMr; ++i) acc[i][0] = acc[i][1] = _mm512_setzero_ps();
}

NIBBLE_INLINE void spill(const __m512 acc[kMr][2], float* out) {
#pragma GCC unroll 12
  for (int i = 0; i < kMr; ++i) {
    _mm512_store_ps(out + i * kNr, acc[i][0]);
    _mm512_store_ps(out + i * kNr + 16, acc[i][1]);
  }
}

}  // namespace
}  // namespace nibble::kernels
