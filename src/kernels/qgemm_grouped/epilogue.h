// From float sums to C, element by element. Internal linkage, see kernels/gemm/weight_element.h.
#pragma once

#include "kernels/gemm/weight_element.h"
#include "kernels/qgemm_grouped/table.h"

namespace nibble::kernels {
namespace {

NIBBLE_INLINE void finish_grouped_tile(DType dtype, const float* sums, const QGroupedTileArgs& args) {
  for (int i = 0; i < args.m_count; ++i)
    for (int j = 0; j < args.n_count; ++j) {
      float x = 0.0f;
      for (int64_t r = 0; r < args.rank; ++r)
        x = __builtin_fmaf(args.h[i * args.rank + r], float_from_bf16(args.up[r * 16 + j].bits), x);
      x = __builtin_fmaf(sums[i * 16 + j], args.w_scales[j], x);
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
