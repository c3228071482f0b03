// The rows of kernels.inc, for the selector, the tests and the benchmark.
#pragma once

#include "kernels/eltwise/eltwise.h"
#include "kernels/simd_native.h"

namespace nibble::kernels {

#define X(name) extern const EltwiseKernel name;
#include "kernels/eltwise/kernels.inc"
#undef X

inline constexpr const EltwiseKernel* kEltwiseKernels[] = {
#define X(name) &name,
#include "kernels/eltwise/kernels.inc"
#undef X
};

#define X(name) extern const CastKernel name;
NIBBLE_IF_X86(X(cast_avx512) X(cast_avx2))
NIBBLE_IF_ARM(X(cast_neon))
X(cast_scalar)
#undef X

inline constexpr const CastKernel* kCastKernels[] = {NIBBLE_IF_X86(&cast_avx512, &cast_avx2, ) NIBBLE_IF_ARM(&cast_neon, )
                                                         & cast_scalar};

}  // namespace nibble::kernels
