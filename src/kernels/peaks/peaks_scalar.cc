#include "kernels/peaks/table.h"

namespace nibble::kernels {
namespace {

constexpr int kChains = 12;

NIBBLE_KERNEL float run(int64_t iterations) {
  float acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = static_cast<float>(i);
  for (int64_t n = 0; n < iterations; ++n)
    for (int i = 0; i < kChains; ++i) acc[i] = acc[i] * 0.999f + 0.001f;
  float sum = 0;
  for (int i = 0; i < kChains; ++i) sum += acc[i];
  return sum;
}

}  // namespace

const PeakLoop peak_f32_multiply_add_scalar = {"peak_f32_multiply_add_scalar", Isa::Scalar, PeakKind::F32Fma,
                                               2 * kChains, run};

}  // namespace nibble::kernels
