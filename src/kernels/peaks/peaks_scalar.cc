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

NIBBLE_KERNEL float run_dots(int64_t iterations) {
  uint32_t acc[kChains], factor = 3;
  for (int i = 0; i < kChains; ++i) acc[i] = static_cast<uint32_t>(i);
  for (int64_t n = 0; n < iterations; ++n, ++factor)
    for (int i = 0; i < kChains; ++i) acc[i] += factor * (acc[i] & 127u);
  int64_t sum = 0;
  for (int i = 0; i < kChains; ++i) sum += acc[i];
  return static_cast<float>(sum);
}

}  // namespace

const PeakLoop peak_int8_multiply_add_scalar = {"peak_int8_multiply_add_scalar", Isa::Scalar, PeakKind::Int8Dot,
                                                2 * kChains, run_dots};
const PeakLoop peak_f32_multiply_add_scalar = {"peak_f32_multiply_add_scalar", Isa::Scalar, PeakKind::F32Fma,
                                               2 * kChains, run};

}  // namespace nibble::kernels
