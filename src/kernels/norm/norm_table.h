// The rows of the norm table, one pair per instruction set.
#pragma once

#include "kernels/norm/norm.h"

namespace nibble::kernels {

extern const NormKernel kNormF32Scalar, kNormBf16Scalar;

}  // namespace nibble::kernels
