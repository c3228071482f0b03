// Four float lanes on AArch64 NEON. Everything has internal linkage: include one vec_<isa>.h per source file.
#pragma once

#include <cstdint>

#include "base/cpu.h"
#include "kernels/simd/unroll.h"
#include "kernels/simd_native.h"
#include "tensor/dtype.h"

namespace nibble::kernels {
namespace {

constexpr Isa kIsa = Isa::Neon;

struct Vec {
  static constexpr int kWidth = 4;
  float32x4_t v;
};

NIBBLE_INLINE Vec set(float x) { return {vdupq_n_f32(x)}; }
NIBBLE_INLINE Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.v, b.v)}; }
NIBBLE_INLINE Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.v, b.v)}; }
NIBBLE_INLINE Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.v, b.v)}; }
NIBBLE_INLINE Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.v, b.v)}; }
NIBBLE_INLINE Vec operator-(Vec a) { return {vnegq_f32(a.v)}; }
NIBBLE_INLINE Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.v, a.v, b.v)}; }   // a * b + c
NIBBLE_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {vfmsq_f32(c.v, a.v, b.v)}; }  // c - a * b
// NaN when either is NaN.
NIBBLE_INLINE Vec min(Vec a, Vec b) { return {vminq_f32(a.v, b.v)}; }
NIBBLE_INLINE Vec max(Vec a, Vec b) { return {vmaxq_f32(a.v, b.v)}; }
NIBBLE_INLINE Vec sqrt(Vec a) { return {vsqrtq_f32(a.v)}; }
NIBBLE_INLINE Vec abs(Vec a) { return {vabsq_f32(a.v)}; }
NIBBLE_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  return {vbslq_f32(vdupq_n_u32(0x80000000u), sign.v, magnitude.v)};
}
NIBBLE_INLINE Vec round(Vec a) { return {vrndnq_f32(a.v)}; }
// 2^n for whole n in [-127, 127]; -127 gives 0.
NIBBLE_INLINE Vec pow2(Vec n) {
  return {vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n.v), vdupq_n_s32(127)), 23))};
}
NIBBLE_INLINE Vec select_less(Vec a, Vec b, Vec yes, Vec no) {  // a < b ? yes : no
  return {vbslq_f32(vcltq_f32(a.v, b.v), yes.v, no.v)};
}
NIBBLE_INLINE float reduce_add(Vec a) { return vaddvq_f32(a.v); }
NIBBLE_INLINE float reduce_max(Vec a) { return vmaxvq_f32(a.v); }

NIBBLE_INLINE Vec load(const float* p) { return {vld1q_f32(p)}; }
NIBBLE_INLINE Vec load(const BFloat16* p) {
  return {vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(reinterpret_cast<const uint16_t*>(p)), 16))};
}
NIBBLE_INLINE Vec load(const Float16* p) {
  return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(p))))};
}
NIBBLE_INLINE Vec load_integers(const int32_t* p) { return {vcvtq_f32_s32(vld1q_s32(p))}; }
NIBBLE_INLINE void store(float* p, Vec a) { vst1q_f32(p, a.v); }
NIBBLE_INLINE void store(BFloat16* p, Vec a) {
  const uint32x4_t bits = vreinterpretq_u32_f32(a.v);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
  const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
  const uint32x4_t chosen = vbslq_u32(vceqq_f32(a.v, a.v), rounded, quiet);
  vst1_u16(reinterpret_cast<uint16_t*>(p), vshrn_n_u32(chosen, 16));
}
NIBBLE_INLINE void store(Float16* p, Vec a) {
  vst1_u16(reinterpret_cast<uint16_t*>(p), vreinterpret_u16_f16(vcvt_f16_f32(a.v)));
}

// Rows become columns: lane j of rows[i] moves to lane i of rows[j].
NIBBLE_INLINE void transpose(Vec rows[4]) {
  const float32x4_t a = vzip1q_f32(rows[0].v, rows[2].v), b = vzip2q_f32(rows[0].v, rows[2].v);
  const float32x4_t c = vzip1q_f32(rows[1].v, rows[3].v), d = vzip2q_f32(rows[1].v, rows[3].v);
  rows[0].v = vzip1q_f32(a, c);
  rows[1].v = vzip2q_f32(a, c);
  rows[2].v = vzip1q_f32(b, d);
  rows[3].v = vzip2q_f32(b, d);
}

}  // namespace
}  // namespace nibble::kernels

#include "kernels/simd/vec_math.h"
