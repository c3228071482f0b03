#include "kernels/peaks/table.h"

namespace nibble::kernels {
namespace {

constexpr int kChains = 12;

NIBBLE_KERNEL float run(int64_t iterations) {
  const __m512i factor = _mm512_set1_epi8(3);
  __m512i acc[kChains];
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) acc[i] = _mm512_set1_epi32(i);
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = _mm512_dpbusd_epi32(acc[i], factor, factor);
  }
#pragma GCC unroll 12
  for (int i = 1; i < kChains; ++i) acc[0] = _mm512_add_epi32(acc[0], acc[i]);
  return _mm512_cvtss_f32(_mm512_castsi512_ps(acc[0]));
}

}  // namespace

const PeakLoop peak_int8_dot_avx512vnni = {"peak_int8_dot_avx512vnni", Isa::Avx512Vnni, PeakKind::Int8Dot, 2 * 64 * kChains, run};

}  // namespace nibble::kernels
