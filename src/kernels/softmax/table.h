// The rows of kernels.inc, for the selector, the tests and the benchmark.
#pragma once

#include "kernels/simd_native.h"
#include "kernels/softmax/softmax.h"

namespace nibble::kernels {

#define X(name) extern const SoftmaxKernel name;
#include "kernels/softmax/kernels.inc"
#undef X

inline constexpr const SoftmaxKernel* kSoftmaxKernels[] = {
#define X(name) &name,
#include "kernels/softmax/kernels.inc"
#undef X
};

}  // namespace nibble::kernels
