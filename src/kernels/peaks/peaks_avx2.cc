#include "kernels/peaks/table.h"

namespace nibble::kernels {
namespace {

constexpr int kChains = 12;

NIBBLE_KERNEL float run(int64_t iterations) {
  const __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.001f);
  __m256 acc[kChains];
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) acc[i] = _mm256_set1_ps(static_cast<float>(i));
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = _mm256_fmadd_ps(acc[i], factor, term);
  }
#pragma GCC unroll 12
  for (int i = 1; i < kChains; ++i) acc[0] = _mm256_add_ps(acc[0], acc[i]);
  return _mm256_cvtss_f32(acc[0]);
}

NIBBLE_KERNEL float run_dots(int64_t iterations) {
  const __m256i factor = _mm256_set1_epi16(3);
  __m256i acc[kChains];
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) acc[i] = _mm256_set1_epi32(i);
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(acc[i], factor));
  }
#pragma GCC unroll 12
  for (int i = 1; i < kChains; ++i) acc[0] = _mm256_add_epi32(acc[0], acc[i]);
  return _mm256_cvtss_f32(_mm256_castsi256_ps(acc[0]));
}

}  // namespace

const PeakLoop peak_int8_dot_avx2 = {"peak_int8_dot_avx2", Isa::Avx2, PeakKind::Int8Dot, 2 * 16 * kChains, run_dots};
const PeakLoop peak_f32_fma_avx2 = {"peak_f32_fma_avx2", Isa::Avx2, PeakKind::F32Fma, 2 * 8 * kChains, run};

}  // namespace nibble::kernels
