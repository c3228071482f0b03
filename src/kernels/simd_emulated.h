// SIMDe under native names, and the intrinsics it lacks. For tests only: lanes are plain loops.
#pragma once

#if defined(__GNUC__)
#pragma GCC system_header
#endif

#define SIMDE_ENABLE_NATIVE_ALIASES
#if defined(NIBBLE_SIMDE_AVX512)
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>
#else
#include <simde/arm/neon.h>
#endif

#include <math.h>
#include <stdint.h>
#include <string.h>

#define NIBBLE_EMULATED static inline __attribute__((always_inline))

// Round to nearest even, NaN stays NaN.
NIBBLE_EMULATED uint16_t nibble_emulated_bf16(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((u >> 16) | 0x40u);
  return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

#if defined(NIBBLE_SIMDE_AVX512)

struct NibbleLanes {
  alignas(64) union {
    float f32[16];
    double f64[8];
    int32_t i32[16];
    uint32_t u32[16];
    int16_t i16[32];
    uint16_t u16[32];
    uint8_t u8[64];
    int8_t i8[64];
    uint64_t u64[8];
  };
};

template <typename Vector>
NIBBLE_EMULATED NibbleLanes nibble_lanes(Vector v) {
  NibbleLanes lanes = {};
  memcpy(&lanes, &v, sizeof(v));
  return lanes;
}

template <typename Vector>
NIBBLE_EMULATED Vector nibble_vector(const NibbleLanes& lanes) {
  Vector v;
  memcpy(&v, &lanes, sizeof(v));
  return v;
}

// NIBBLE_LANES(result type, count, expression of the lane index i writing to r)
#define NIBBLE_LANES(Vector, count, statement)    \
  NibbleLanes r = {};                             \
  for (int i = 0; i < (count); ++i) { statement; } \
  return nibble_vector<Vector>(r)

NIBBLE_EMULATED __m512 nibble_cvtph_ps(__m256i v) {
  const __m256 lo = _mm256_cvtph_ps(_mm256_castsi256_si128(v)), hi = _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1));
  NibbleLanes r = nibble_lanes(lo);
  memcpy(r.f32 + 8, &hi, 32);
  return nibble_vector<__m512>(r);
}
NIBBLE_EMULATED __m256i nibble_cvtps_ph(__m512 v, int) {
  const NibbleLanes a = nibble_lanes(v);
  const __m128i lo = _mm256_cvtps_ph(_mm256_loadu_ps(a.f32), 0), hi = _mm256_cvtps_ph(_mm256_loadu_ps(a.f32 + 8), 0);
  return _mm256_set_m128i(hi, lo);
}
NIBBLE_EMULATED __m512i nibble_cvtepu16_epi32(__m256i v) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m512i, 16, r.u32[i] = a.u16[i]);
}
NIBBLE_EMULATED __m512i nibble_cvtepi16_epi32(__m256i v) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m512i, 16, r.i32[i] = a.i16[i]);
}
NIBBLE_EMULATED __m512i nibble_cvtepu8_epi32(__m128i v) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m512i, 16, r.u32[i] = a.u8[i]);
}
NIBBLE_EMULATED __m256i nibble_cvtepi32_epi16(__m512i v) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m256i, 16, r.u16[i] = (uint16_t)a.u32[i]);
}
NIBBLE_EMULATED __m128i nibble_cvtepi32_epi8(__m512i v) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m128i, 16, r.u8[i] = (uint8_t)a.u32[i]);
}
NIBBLE_EMULATED __m256i nibble_cvtusepi32_epi16(__m512i v) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m256i, 16, r.u16[i] = (uint16_t)(a.u32[i] > 0xffffu ? 0xffffu : a.u32[i]));
}
NIBBLE_EMULATED __m256i nibble_cvtneps_bf16(__m512 v) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m256i, 16, r.u16[i] = nibble_emulated_bf16(a.f32[i]));
}
NIBBLE_EMULATED __m512i nibble_cvtne2ps_bf16(__m512 high, __m512 low) {
  const NibbleLanes a = nibble_lanes(high), b = nibble_lanes(low);
  NIBBLE_LANES(__m512i, 16, r.u16[i] = nibble_emulated_bf16(b.f32[i]); r.u16[16 + i] = nibble_emulated_bf16(a.f32[i]));
}
NIBBLE_EMULATED __m512i nibble_cvtps_epi32(__m512 v) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m512i, 16, r.i32[i] = (int32_t)nearbyintf(a.f32[i]));
}
NIBBLE_EMULATED __m512i nibble_cvttps_epi32(__m512 v) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m512i, 16, r.i32[i] = (int32_t)a.f32[i]);
}
NIBBLE_EMULATED __m512 nibble_cvtepi32_ps(__m512i v) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m512, 16, r.f32[i] = (float)a.i32[i]);
}
NIBBLE_EMULATED __m512i nibble_srai_epi32(__m512i v, unsigned n) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m512i, 16, r.i32[i] = a.i32[i] >> (n > 31 ? 31 : n));
}
NIBBLE_EMULATED __m512d nibble_cvtps_pd(__m256 v) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m512d, 8, r.f64[i] = a.f32[i]);
}
NIBBLE_EMULATED __m256 nibble_cvtpd_ps(__m512d v) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m256, 8, r.f32[i] = (float)a.f64[i]);
}
// Halves are added as the native sequence does: 8, 4, 2, 1.
NIBBLE_EMULATED float nibble_reduce_add_ps(__m512 v) {
  NibbleLanes a = nibble_lanes(v);
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) a.f32[i] += a.f32[i + width];
  return a.f32[0];
}
NIBBLE_EMULATED int64_t nibble_reduce_add_epi64(__m512i v) {
  const NibbleLanes a = nibble_lanes(v);
  uint64_t sum = 0;
  for (int i = 0; i < 8; ++i) sum += a.u64[i];
  return (int64_t)sum;
}
NIBBLE_EMULATED double nibble_reduce_add_pd(__m512d v) {
  NibbleLanes a = nibble_lanes(v);
  for (int width = 4; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) a.f64[i] += a.f64[i + width];
  return a.f64[0];
}
NIBBLE_EMULATED float nibble_reduce_max_ps(__m512 v) {
  const NibbleLanes a = nibble_lanes(v);
  float best = a.f32[0];
  for (int i = 1; i < 16; ++i) best = a.f32[i] > best ? a.f32[i] : best;
  return best;
}
NIBBLE_EMULATED __m256 nibble_extractf32x8_ps(__m512 v, int half) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m256, 8, r.f32[i] = a.f32[8 * half + i]);
}
NIBBLE_EMULATED __m256i nibble_extracti32x8_epi32(__m512i v, int half) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m256i, 8, r.i32[i] = a.i32[8 * half + i]);
}
NIBBLE_EMULATED __m512 nibble_shuffle_f32x4(__m512 x, __m512 y, int control) {
  const NibbleLanes a = nibble_lanes(x), b = nibble_lanes(y);
  NIBBLE_LANES(__m512, 16, const int block = (control >> (2 * (i / 4))) & 3;
               r.f32[i] = (i < 8 ? a : b).f32[4 * block + i % 4]);
}
NIBBLE_EMULATED __m512 nibble_maskz_loadu_ps(unsigned mask, const void* p) {
  NIBBLE_LANES(__m512, 16, if (mask >> i & 1) memcpy(&r.f32[i], (const char*)p + 4 * i, 4));
}
NIBBLE_EMULATED __m512i nibble_maskz_loadu_epi32(unsigned mask, const void* p) {
  NIBBLE_LANES(__m512i, 16, if (mask >> i & 1) memcpy(&r.u32[i], (const char*)p + 4 * i, 4));
}
NIBBLE_EMULATED void nibble_mask_storeu_ps(void* p, unsigned mask, __m512 v) {
  const NibbleLanes a = nibble_lanes(v);
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) memcpy((char*)p + 4 * i, &a.f32[i], 4);
}
NIBBLE_EMULATED void nibble_mask_storeu_epi32(void* p, unsigned mask, __m512i v) {
  const NibbleLanes a = nibble_lanes(v);
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) memcpy((char*)p + 4 * i, &a.u32[i], 4);
}
NIBBLE_EMULATED __m256i nibble_maskz_loadu_epi16_256(unsigned mask, const void* p) {
  NIBBLE_LANES(__m256i, 16, if (mask >> i & 1) memcpy(&r.u16[i], (const char*)p + 2 * i, 2));
}
NIBBLE_EMULATED void nibble_mask_storeu_epi16_256(void* p, unsigned mask, __m256i v) {
  const NibbleLanes a = nibble_lanes(v);
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) memcpy((char*)p + 2 * i, &a.u16[i], 2);
}
NIBBLE_EMULATED __m512 nibble_i32gather_ps(__m512i index, const void* p, int scale) {
  const NibbleLanes a = nibble_lanes(index);
  NIBBLE_LANES(__m512, 16, memcpy(&r.f32[i], (const char*)p + (int64_t)a.i32[i] * scale, 4));
}

NIBBLE_EMULATED __m512i nibble_maskz_loadu_epi16_512(unsigned mask, const void* p) {
  NIBBLE_LANES(__m512i, 32, if (mask >> i & 1) memcpy(&r.u16[i], (const char*)p + 2 * i, 2));
}
NIBBLE_EMULATED __m512i nibble_permutexvar_epi16(__m512i index, __m512i x) {
  const NibbleLanes a = nibble_lanes(x), b = nibble_lanes(index);
  NIBBLE_LANES(__m512i, 32, r.u16[i] = a.u16[b.u16[i] & 31]);
}
// What rounding down leaves, as the only control that is used asks.
NIBBLE_EMULATED __m512 nibble_reduce_ps(__m512 v, int) {
  const NibbleLanes a = nibble_lanes(v);
  NIBBLE_LANES(__m512, 16, r.f32[i] = a.f32[i] - floorf(a.f32[i]));
}
NIBBLE_EMULATED __m512 nibble_maskz_scalef_ps(unsigned mask, __m512 x, __m512 y) {
  const NibbleLanes a = nibble_lanes(x), b = nibble_lanes(y);
  NIBBLE_LANES(__m512, 16, if (mask >> i & 1) r.f32[i] = a.f32[i] * exp2f(floorf(b.f32[i])));
}

// Sums of four products of unsigned and signed bytes.
template <typename Vector>
NIBBLE_EMULATED Vector nibble_dpbusd(Vector sum, Vector x, Vector y) {
  const NibbleLanes a = nibble_lanes(x), b = nibble_lanes(y);
  NibbleLanes r = nibble_lanes(sum);
  for (int i = 0; i < (int)sizeof(Vector); ++i) r.u32[i / 4] += (uint32_t)(a.u8[i] * b.i8[i]);
  return nibble_vector<Vector>(r);
}
NIBBLE_EMULATED __m512i nibble_mulhrs_epi16(__m512i x, __m512i y) {
  const NibbleLanes a = nibble_lanes(x), b = nibble_lanes(y);
  NIBBLE_LANES(__m512i, 32, r.i16[i] = (int16_t)((a.i16[i] * b.i16[i] + 0x4000) >> 15));
}
NIBBLE_EMULATED __m512i nibble_unpacklo_epi8(__m512i x, __m512i y) {
  const NibbleLanes a = nibble_lanes(x), b = nibble_lanes(y);
  NIBBLE_LANES(__m512i, 64, r.u8[i] = (i % 2 ? b : a).u8[i / 16 * 16 + i % 16 / 2]);
}
NIBBLE_EMULATED __m512i nibble_unpackhi_epi8(__m512i x, __m512i y) {
  const NibbleLanes a = nibble_lanes(x), b = nibble_lanes(y);
  NIBBLE_LANES(__m512i, 64, r.u8[i] = (i % 2 ? b : a).u8[i / 16 * 16 + 8 + i % 16 / 2]);
}
NIBBLE_EMULATED __m512i nibble_packs_epi16(__m512i x, __m512i y) {
  const NibbleLanes a = nibble_lanes(x), b = nibble_lanes(y);
  NIBBLE_LANES(__m512i, 64, const int v = (i % 16 < 8 ? a : b).i16[i / 16 * 8 + i % 8];
               r.i8[i] = (int8_t)(v > 127 ? 127 : v < -128 ? -128 : v));
}
NIBBLE_EMULATED __m512i nibble_shuffle_epi8(__m512i x, __m512i y) {
  const NibbleLanes a = nibble_lanes(x), b = nibble_lanes(y);
  NIBBLE_LANES(__m512i, 64, r.u8[i] = (b.u8[i] & 128) ? 0 : a.u8[i / 16 * 16 + (b.u8[i] & 15)]);
}
NIBBLE_EMULATED __m512i nibble_permutexvar_epi64(__m512i index, __m512i x) {
  const NibbleLanes a = nibble_lanes(x), b = nibble_lanes(index);
  NIBBLE_LANES(__m512i, 8, r.u64[i] = a.u64[b.u64[i] & 7]);
}
NIBBLE_EMULATED __m512i nibble_srli_epi16(__m512i x, unsigned n) {
  const NibbleLanes a = nibble_lanes(x);
  NIBBLE_LANES(__m512i, 32, r.u16[i] = (uint16_t)(a.u16[i] >> n));
}

#undef _mm512_permutexvar_epi16
#undef _mm512_maskz_scalef_ps
#define _mm512_maskz_loadu_epi16(mask, p) nibble_maskz_loadu_epi16_512(mask, p)
#define _mm512_permutexvar_epi16(index, x) nibble_permutexvar_epi16(index, x)
#define _mm512_reduce_ps(v, control) nibble_reduce_ps(v, control)
#define _mm512_maskz_scalef_ps(mask, x, y) nibble_maskz_scalef_ps(mask, x, y)
#define _mm512_cvtneps_pbh(v) nibble_cvtneps_bf16(v)
#define _mm512_cvtne2ps_pbh(high, low) ((__m512bh)nibble_cvtne2ps_bf16(high, low))
#undef _mm256_dpbusd_avx_epi32
#undef _mm512_dpbusd_epi32
#undef _mm512_mulhrs_epi16
#undef _mm512_unpacklo_epi8
#undef _mm512_unpackhi_epi8
#undef _mm512_packs_epi16
#undef _mm512_shuffle_epi8
#undef _mm512_permutexvar_epi64
#undef _mm512_srli_epi16
#define _mm256_dpbusd_avx_epi32(sum, x, y) nibble_dpbusd(sum, x, y)
#define _mm512_dpbusd_epi32(sum, x, y) nibble_dpbusd(sum, x, y)
#define _mm512_mulhrs_epi16(x, y) nibble_mulhrs_epi16(x, y)
#define _mm512_unpacklo_epi8(x, y) nibble_unpacklo_epi8(x, y)
#define _mm512_unpackhi_epi8(x, y) nibble_unpackhi_epi8(x, y)
#define _mm512_packs_epi16(x, y) nibble_packs_epi16(x, y)
#define _mm512_shuffle_epi8(x, y) nibble_shuffle_epi8(x, y)
#define _mm512_permutexvar_epi64(index, x) nibble_permutexvar_epi64(index, x)
#define _mm512_srli_epi16(x, n) nibble_srli_epi16(x, n)
#define _mm512_cvtss_f32(v) _mm_cvtss_f32(_mm512_castps512_ps128(v))
#define _mm512_cvtph_ps(v) nibble_cvtph_ps(v)
#define _mm512_cvtps_ph(v, rounding) nibble_cvtps_ph(v, rounding)
#define _mm512_cvtepu16_epi32(v) nibble_cvtepu16_epi32(v)
#define _mm512_cvtepi16_epi32(v) nibble_cvtepi16_epi32(v)
#define _mm512_cvtepu8_epi32(v) nibble_cvtepu8_epi32(v)
#define _mm512_cvtepi32_epi16(v) nibble_cvtepi32_epi16(v)
#define _mm512_cvtepi32_epi8(v) nibble_cvtepi32_epi8(v)
#define _mm512_cvtusepi32_epi16(v) nibble_cvtusepi32_epi16(v)
#define _mm512_cvtps_epi32(v) nibble_cvtps_epi32(v)
#define _mm512_cvttps_epi32(v) nibble_cvttps_epi32(v)
#define _mm512_cvtepi32_ps(v) nibble_cvtepi32_ps(v)
#define _mm512_srai_epi32(v, n) nibble_srai_epi32(v, n)
#define _mm512_cvtps_pd(v) nibble_cvtps_pd(v)
#define _mm512_cvtpd_ps(v) nibble_cvtpd_ps(v)
#define _mm512_reduce_add_ps(v) nibble_reduce_add_ps(v)
#define _mm512_reduce_add_pd(v) nibble_reduce_add_pd(v)
#define _mm512_reduce_add_epi64(v) nibble_reduce_add_epi64(v)
#define _mm512_reduce_max_ps(v) nibble_reduce_max_ps(v)
#define _mm512_extractf32x8_ps(v, half) nibble_extractf32x8_ps(v, half)
#define _mm512_extracti32x8_epi32(v, half) nibble_extracti32x8_epi32(v, half)
#define _mm512_shuffle_f32x4(x, y, control) nibble_shuffle_f32x4(x, y, control)
#define _mm512_maskz_loadu_ps(mask, p) nibble_maskz_loadu_ps(mask, p)
#define _mm512_maskz_loadu_epi32(mask, p) nibble_maskz_loadu_epi32(mask, p)
#define _mm512_mask_storeu_ps(p, mask, v) nibble_mask_storeu_ps(p, mask, v)
#define _mm512_mask_storeu_epi32(p, mask, v) nibble_mask_storeu_epi32(p, mask, v)
#define _mm256_maskz_loadu_epi16(mask, p) nibble_maskz_loadu_epi16_256(mask, p)
#define _mm256_mask_storeu_epi16(p, mask, v) nibble_mask_storeu_epi16_256(p, mask, v)
#define _mm512_i32gather_ps(index, p, scale) nibble_i32gather_ps(index, p, scale)
#endif  // NIBBLE_SIMDE_AVX512

#if defined(NIBBLE_SIMDE_NEON)
#define NIBBLE_UNARY(name, Vector, count, expression)  \
  NIBBLE_EMULATED Vector nibble_##name(Vector a) {     \
    Vector r;                                          \
    for (int i = 0; i < (count); ++i) r[i] = expression; \
    return r;                                          \
  }
NIBBLE_UNARY(vsqrtq_f32, float32x4_t, 4, sqrtf(a[i]))

NIBBLE_EMULATED float32x4_t nibble_vfmaq_f32(float32x4_t a, float32x4_t b, float32x4_t c) {
  float32x4_t r;
  for (int i = 0; i < 4; ++i) r[i] = fmaf(b[i], c[i], a[i]);
  return r;
}
NIBBLE_EMULATED float32x4_t nibble_vfmsq_f32(float32x4_t a, float32x4_t b, float32x4_t c) {
  float32x4_t r;
  for (int i = 0; i < 4; ++i) r[i] = fmaf(-b[i], c[i], a[i]);
  return r;
}
NIBBLE_EMULATED float32x4_t nibble_vdivq_f32(float32x4_t a, float32x4_t b) { return a / b; }
NIBBLE_EMULATED int32x4_t nibble_vcvtnq_s32_f32(float32x4_t a) {
  int32x4_t r;
  for (int i = 0; i < 4; ++i) r[i] = (int32_t)nearbyintf(a[i]);
  return r;
}

NIBBLE_EMULATED int32x4_t nibble_vdotq_laneq_s32(int32x4_t sum, int8x16_t a, int8x16_t b, int lane) {
  for (int i = 0; i < 16; ++i) sum[i / 4] += a[i] * b[4 * lane + i % 4];
  return sum;
}
NIBBLE_EMULATED int32x4_t nibble_vdotq_s32(int32x4_t sum, int8x16_t a, int8x16_t b) {
  for (int i = 0; i < 16; ++i) sum[i / 4] += a[i] * b[i];
  return sum;
}
NIBBLE_EMULATED int32x4_t nibble_vmmlaq_s32(int32x4_t sum, int8x16_t a, int8x16_t b) {
  for (int i = 0; i < 32; ++i) sum[i / 8] += a[i / 16 * 8 + i % 8] * b[i / 8 % 2 * 8 + i % 8];
  return sum;
}

#undef vdotq_laneq_s32
#undef vdotq_s32
#undef vmmlaq_s32
#define vdotq_s32(sum, a, b) nibble_vdotq_s32(sum, a, b)
#define vdotq_laneq_s32(sum, a, b, lane) nibble_vdotq_laneq_s32(sum, a, b, lane)
#define vmmlaq_s32(sum, a, b) nibble_vmmlaq_s32(sum, a, b)
#undef vfmaq_f32
#undef vfmaq_n_f32
#undef vfmaq_laneq_f32
#define vfmaq_f32(a, b, c) nibble_vfmaq_f32(a, b, c)
#define vfmaq_n_f32(a, b, c) nibble_vfmaq_f32(a, b, vdupq_n_f32(c))
#define vfmaq_laneq_f32(a, b, c, lane) nibble_vfmaq_f32(a, b, vdupq_laneq_f32(c, lane))
#define vfmsq_f32(a, b, c) nibble_vfmsq_f32(a, b, c)
#define vdivq_f32(a, b) nibble_vdivq_f32(a, b)
#define vsqrtq_f32(a) nibble_vsqrtq_f32(a)
#define vcvtnq_s32_f32(a) nibble_vcvtnq_s32_f32(a)
#define vcvt_high_f32_f16(a) vcvt_f32_f16(vget_high_f16(a))
#define vshll_high_n_u16(a, n) vshll_n_u16(vget_high_u16(a), n)
#define vshrn_high_n_u32(low, a, n) vcombine_u16(low, vshrn_n_u32(a, n))
#endif  // NIBBLE_SIMDE_NEON
