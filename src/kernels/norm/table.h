// The rows of kernels.inc, for the selector, the tests and the benchmark.
#pragma once

#include "kernels/norm/norm.h"
#include "kernels/simd_native.h"

namespace nibble::kernels {

#define X(name) extern const NormKernel name;
#include "kernels/norm/kernels.inc"
#undef X

inline constexpr const NormKernel* kNormKernels[] = {
#define X(name) &name,
#include "kernels/norm/kernels.inc"
#undef X
};

}  // namespace nibble::kernels
