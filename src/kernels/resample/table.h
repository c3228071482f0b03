// The rows of kernels.inc, for the selector, the tests and the benchmark.
#pragma once

#include "kernels/resample/resample.h"
#include "kernels/simd_native.h"

namespace nibble::kernels {

#define X(name) extern const ResampleKernel name;
#include "kernels/resample/kernels.inc"
#undef X

inline constexpr const ResampleKernel* kResampleKernels[] = {
#define X(name) &name,
#include "kernels/resample/kernels.inc"
#undef X
};

}  // namespace nibble::kernels
