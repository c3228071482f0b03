// The rows of the softmax table, one pair per instruction set.
#pragma once

#include "kernels/softmax/softmax.h"

namespace nibble::kernels {

extern const SoftmaxKernel kSoftmaxF32Scalar, kSoftmaxBf16Scalar;

}  // namespace nibble::kernels
