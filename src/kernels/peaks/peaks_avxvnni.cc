#include "kernels/peaks/table.h"

namespace nibble::kernels {
namespace {

constexpr int kChains = 12;

NIBBLE_KERNEL float run(int64_t iterations) {
  const __m256i factor = _mm256_set1_epi8(3);
  __m256i acc[kChains];
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) acc[i] = _mm256_set1_epi32(i);
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = _mm256_dpbusd_avx_epi32(acc[i], factor, factor);
  }
#pragma GCC unroll 12
  for (int i = 1; i < kChains; ++i) acc[0] = _mm256_add_epi32(acc[0], acc[i]);
  return _mm256_cvtss_f32(_mm256_castsi256_ps(acc[0]));
}

}  // namespace

const PeakLoop peak_int8_dot_avxvnni = {"peak_int8_dot_avxvnni", Isa::AvxVnni, PeakKind::Int8Dot, 2 * 32 * kChains, run};

}  // namespace nibble::kernels
