// From integer sums to C, element by element: the oracle's epilogue, and every kernel's for partial tiles. Internal linkage, see
// kernels/gemm/weight_element.h.
#pragma once

#include "kernels/gemm/weight_element.h"
#include "kernels/qgemm/table.h"

namespace nibble::kernels {
namespace {

// Columns from `first` on; sums [m_count][stride] as exact integers.
NIBBLE_INLINE void finish_tile_plain(DType dtype, const int32_t* sums, int stride, int first, const QTileArgs& args) {
  for (int i = 0; i < args.m_count; ++i)
    for (int j = first; j < args.n_count; ++j) {
      float x = 0.0f;
      const BFloat16* up = args.rank > 0 ? args.up + (j / 16) * args.rank * 16 + j % 16 : nullptr;
      for (int64_t r = 0; r < args.rank; ++r)
        x = __builtin_fmaf(static_cast<const float*>(args.h)[i * args.rank + r], float_from_bf16(up[r * 16].bits), x);
      x = __builtin_fmaf(static_cast<float>(sums[i * stride + j]), args.a_scales[i] * args.w_scales[j], x);
      if (args.bias != nullptr) x = x + args.bias[j];
      if (args.residual != nullptr) x = x + load_element(dtype, args.residual, i * args.residual_stride + j);
      if (dtype == DType::F32)
        static_cast<float*>(args.c)[i * args.c_stride + j] = x;
      else
        static_cast<uint16_t*>(args.c)[i * args.c_stride + j] = bf16_from_float(x);
    }
}

}  // namespace
}  // namespace nibble::kernels
