// From float sums to C, element by element. Internal linkage, see kernels/gemm/weight_element.h.
#pragma once

#include "kernels/gemm/weight_element.h"
#include "kernels/qgemm_grouped/table.h"

namespace nibble::kernels {
namespace {

// Columns from `first` on; sums [m_count][stride].
NIBBLE_INLINE void finish_grouped_plain(DType dtype, const float* sums, int stride, int first, const QGroupedTileArgs& args) {
  for (int i = 0; i < args.m_count; ++i)
    for (int j = first; j < args.n_count; ++j) {
      float x = 0.0f;
      const BFloat16* up = args.rank > 0 ? args.up + (j / 16) * args.rank * 16 + j % 16 : nullptr;
      for (int64_t r = 0; r < args.rank; ++r)
        x = __builtin_fmaf(args.h[i * args.rank + r], float_from_bf16(up[r * 16].bits), x);
      x = __builtin_fmaf(sums[i * stride + j], args.w_scales[j], x);
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
