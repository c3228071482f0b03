// The rows of kernels.inc, for the selector, the test and the benchmark.
#pragma once

#include "kernels/gemm/gemm.h"
#include "kernels/simd_native.h"

namespace nibble::kernels {

#define X(name) extern const GemmKernel name;
#include "kernels/gemm/kernels.inc"
#undef X

inline constexpr const GemmKernel* kGemmKernels[] = {
#define X(name) &name,
#include "kernels/gemm/kernels.inc"
#undef X
};

}  // namespace nibble::kernels
