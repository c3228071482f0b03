// The rows of kernels.inc.
#pragma once

#include "kernels/peaks/peaks.h"
#include "kernels/simd_native.h"

namespace nibble::kernels {

#define X(name) extern const PeakLoop name;
#include "kernels/peaks/kernels.inc"
#undef X

inline constexpr const PeakLoop* kPeakLoops[] = {
#define X(name) &name,
#include "kernels/peaks/kernels.inc"
#undef X
};

}  // namespace nibble::kernels
