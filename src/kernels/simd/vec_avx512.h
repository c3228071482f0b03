// Sixteen float lanes on AVX-512 F + BW + DQ + VL. Everything has internal linkage: include one vec_<isa>.h per source
// file.
#pragma once

#include <cstdint>

#include "base/cpu.h"
#include "kernels/simd/unroll.h"
#include "kernels/simd_native.h"
#include "tensor/dtype.h"

namespace nibble::kernels {
namespace {

constexpr Isa kIsa = Isa::Avx512;

struct Vec {
  static constexpr int kWidth = 16;
  __m512 v;
};

NIBBLE_INLINE Vec set(float x) { return {_mm512_set1_ps(x)}; }
NIBBLE_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
NIBBLE_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
NIBBLE_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
NIBBLE_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
NIBBLE_INLINE Vec operator-(Vec a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
NIBBLE_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }    // a * b + c
NIBBLE_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }  // c - a * b
// When either is NaN the second is returned.
NIBBLE_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
NIBBLE_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
NIBBLE_INLINE Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
NIBBLE_INLINE Vec abs(Vec a) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.v)}; }
NIBBLE_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  return {_mm512_or_ps(magnitude.v, _mm512_and_ps(_mm512_set1_ps(-0.0f), sign.v))};
}
NIBBLE_INLINE Vec round(Vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
// 2^n for whole n in [-127, 127]; -127 gives 0.
NIBBLE_INLINE Vec pow2(Vec n) {
  return {
      _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127)), 23))};
}
NIBBLE_INLINE Vec select_less(Vec a, Vec b, Vec yes, Vec no) {  // a < b ? yes : no
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
}
NIBBLE_INLINE float reduce_add(Vec a) { return _mm512_reduce_add_ps(a.v); }
NIBBLE_INLINE float reduce_max(Vec a) { return _mm512_reduce_max_ps(a.v); }

NIBBLE_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
NIBBLE_INLINE Vec load(const BFloat16* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
NIBBLE_INLINE Vec load(const Float16* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
NIBBLE_INLINE Vec load_integers(const int32_t* p) { return {_mm512_cvtepi32_ps(_mm512_loadu_si512(p))}; }
NIBBLE_INLINE void store(float* p, Vec a) { _mm512_storeu_ps(p, a.v); }
#if defined(__AVX512BF16__)
NIBBLE_INLINE void store(BFloat16* p, Vec a) {  // denormal numbers become 0
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), (__m256i)_mm512_cvtneps_pbh(a.v));
}
#else
NIBBLE_INLINE void store(BFloat16* p, Vec a) {
  const __m512i bits = _mm512_castps_si512(a.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __m512i chosen = _mm512_mask_blend_epi32(_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), rounded, quiet);
  const __m256i packed = _mm512_cvtepi32_epi16(_mm512_srli_epi32(chosen, 16));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), packed);
}
#endif
NIBBLE_INLINE void store(Float16* p, Vec a) {
  const __m256i packed = _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), packed);
}

// Rows become columns: lane j of rows[i] moves to lane i of rows[j].
NIBBLE_INLINE void transpose(Vec rows[16]) {
  alignas(64) float lanes[16][16];
  for (int i = 0; i < 16; ++i) _mm512_store_ps(lanes[i], rows[i].v);
  for (int j = 0; j < 16; ++j) {
    alignas(64) float column[16];
    for (int i = 0; i < 16; ++i) column[i] = lanes[i][j];
    rows[j].v = _mm512_load_ps(column);
  }
}

}  // namespace
}  // namespace nibble::kernels

#include "kernels/simd/vec_math.h"
