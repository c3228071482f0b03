// Register tiles of attention_impl.h.
#pragma once

#include "kernels/simd/vec_avx512.h"

namespace nibble::kernels {
namespace {

// 32 registers: 24 sums, a row of the panel, one broadcast.
constexpr int kStepPanel = 2, kMaxPanel = 3;
constexpr int kRowsOfPanel[] = {0, 12, 12, 8};

// 2^x for x <= 127 within 7.5e-5, for weights that are rounded further; 0 below -126. A cubic for the fraction in [0, 1).
NIBBLE_INLINE Vec exp2_coarse(Vec x) {
  const __m512 f = _mm512_reduce_ps(x.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  Vec p = set(0.07802455f);
  p = fma(p, {f}, set(0.22606718f));
  p = fma(p, {f}, set(0.69583349f));
  p = fma(p, {f}, set(0.99992523f));
  const __mmask16 normal = _mm512_cmp_ps_mask(x.v, _mm512_set1_ps(-126.0f), _CMP_NLT_UQ);  // or NaN
  return {_mm512_maskz_scalef_ps(normal, p.v, x.v)};
}

}  // namespace
}  // namespace nibble::kernels
