#include "kernels/peaks/table.h"

namespace nibble::kernels {
namespace {

constexpr int kChains = 16;

NIBBLE_KERNEL float run(int64_t iterations) {
  const int8x16_t factor = vdupq_n_s8(3);
  int32x4_t acc[kChains];
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) acc[i] = vdupq_n_s32(i);
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) acc[i] = vdotq_s32(acc[i], factor, factor);
  }
#pragma GCC unroll 16
  for (int i = 1; i < kChains; ++i) acc[0] = vaddq_s32(acc[0], acc[i]);
  return static_cast<float>(vgetq_lane_s32(acc[0], 0));
}

}  // namespace

const PeakLoop peak_int8_dot_dotprod = {"peak_int8_dot_dotprod", Isa::DotProd, PeakKind::Int8Dot, 2 * 16 * kChains, run};

}  // namespace nibble::kernels
