// The rows of kernels.inc, for the selector, the test and the benchmark.
#pragma once

#include "kernels/quantize/quantize.h"
#include "kernels/simd_native.h"

namespace nibble::kernels {

#define X(name) extern const QuantizeKernel name;
#include "kernels/quantize/kernels.inc"
#undef X

inline constexpr const QuantizeKernel* kQuantizeKernels[] = {
#define X(name) &name,
#include "kernels/quantize/kernels.inc"
#undef X
};

}  // namespace nibble::kernels
