#include "kernels/peaks/table.h"

namespace nibble::kernels {
namespace {

constexpr int kChains = 16;

// The operands are zeros, made opaque so that the products are not folded away.
NIBBLE_KERNEL float run(int64_t iterations) {
  __m512i zeros = _mm512_setzero_si512();
  __asm__ volatile("" : "+m"(zeros));
  const __m512bh x = (__m512bh)zeros;
  __m512 acc[kChains];
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) acc[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) acc[i] = _mm512_dpbf16_ps(acc[i], x, x);
  }
#pragma GCC unroll 16
  for (int i = 1; i < kChains; ++i) acc[0] = _mm512_add_ps(acc[0], acc[i]);
  return _mm512_cvtss_f32(acc[0]);
}

}  // namespace

const PeakLoop peak_bf16_dot_avx512bf16 = {"peak_bf16_dot_avx512bf16", Isa::Avx512Bf16, PeakKind::Bf16Dot,
                                           2 * 32 * kChains, run};

}  // namespace nibble::kernels
