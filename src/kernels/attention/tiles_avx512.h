// Register tiles of attention_impl.h.
#pragma once

#include "kernels/simd/vec_avx512.h"

namespace nibble::kernels {
namespace {

// 32 registers: 24 sums, a row of the panel, one broadcast.
constexpr int kStepPanel = 2, kMaxPanel = 3;
constexpr int kRowsOfPanel[] = {0, 12, 12, 8};

}  // namespace
}  // namespace nibble::kernels
