#include "kernels/peaks/table.h"

namespace nibble::kernels {
namespace {

constexpr int kChains = 12;

NIBBLE_KERNEL float run(int64_t iterations) {
  const float32x4_t factor = vdupq_n_f32(0.999f), term = vdupq_n_f32(0.001f);
  float32x4_t acc[kChains];
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) acc[i] = vdupq_n_f32(static_cast<float>(i));
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = vfmaq_f32(acc[i], factor, term);
  }
#pragma GCC unroll 12
  for (int i = 1; i < kChains; ++i) acc[0] = vaddq_f32(acc[0], acc[i]);
  return vgetq_lane_f32(acc[0], 0);
}

}  // namespace

const PeakLoop peak_f32_fma_neon = {"peak_f32_fma_neon", Isa::Neon, PeakKind::F32Fma, 2 * 4 * kChains, run};

}  // namespace nibble::kernels
