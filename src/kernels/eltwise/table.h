// The rows of kernels.inc and casts.inc, for the selector, the tests and the benchmark.
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
#include "kernels/eltwise/casts.inc"
#undef X

inline constexpr const CastKernel* kCastKernels[] = {
#define X(name) &name,
#include "kernels/eltwise/casts.inc"
#undef X
};

}  // namespace nibble::kernels
