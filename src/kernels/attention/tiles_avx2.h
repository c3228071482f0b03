// Register tiles of attention_impl.h.
#pragma once

#include "kernels/simd/vec_avx2.h"

namespace nibble::kernels {
namespace {

// 16 registers: 12 sums, a row of the panel, one broadcast.
constexpr int kStepPanel = 2, kMaxPanel = 3;
constexpr int kRowsOfPanel[] = {0, 8, 6, 4};

}  // namespace
}  // namespace nibble::kernels
