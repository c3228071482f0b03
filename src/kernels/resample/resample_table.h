// The rows of the resample table, one pair per instruction set.
#pragma once

#include "kernels/resample/resample.h"

namespace nibble::kernels {

extern const ResampleKernel kResampleF32Scalar, kResampleBf16Scalar;

}  // namespace nibble::kernels
