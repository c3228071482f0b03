// The rows of the eltwise table, one pair per instruction set.
#pragma once

#include "kernels/eltwise/eltwise.h"

namespace nibble::kernels {

extern const EltwiseKernel kEltwiseF32Scalar, kEltwiseBf16Scalar;
extern const CastKernel kCastScalar;

}  // namespace nibble::kernels
