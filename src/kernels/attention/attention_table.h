// The rows of the attention table, one pair per instruction set.
#pragma once

#include "kernels/attention/attention.h"

namespace nibble::kernels {

extern const AttentionKernel kAttentionF32Scalar, kAttentionBf16Scalar;

}  // namespace nibble::kernels
