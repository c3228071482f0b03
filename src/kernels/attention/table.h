// The rows of kernels.inc, for the selector, the tests and the benchmark.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/simd_native.h"

namespace nibble::kernels {

#define X(name) extern const AttentionKernel name;
#include "kernels/attention/kernels.inc"
#undef X

inline constexpr const AttentionKernel* kAttentionKernels[] = {
#define X(name) &name,
#include "kernels/attention/kernels.inc"
#undef X
};

}  // namespace nibble::kernels
