// The epilogue of qgemm_grouped.h over vectors: include after one kernels/simd/vec_<isa>.h.
#pragma once

#include "kernels/qgemm/finish_impl.h"
#include "kernels/qgemm_grouped/epilogue.h"

namespace nibble::kernels {
namespace {

// C of one tile; T its element. sums [mr][nr].
template <typename T, int mr, int nr>
NIBBLE_INLINE void finish_grouped(DType dtype, const float* sums, const QGroupedTileArgs& args) {
  constexpr int width = Vec::kWidth;
  int j = 0;
  for (; j + width <= args.n_count; j += width) {
    Vec branch[mr];
    const BFloat16* up = args.rank > 0 ? args.up + (j / 16) * args.rank * 16 + j % 16 : nullptr;
    low_rank<mr>(args.h, up, args.rank, args.m_count, branch);
    const Vec w = load(args.w_scales + j), bias = args.bias != nullptr ? load(args.bias + j) : set(0.0f);
    for (int i = 0; i < args.m_count; ++i) {
      Vec x = fma(load(sums + i * nr + j), w, branch[i]);
      if (args.bias != nullptr) x = x + bias;
      if (args.residual != nullptr) x = x + load(static_cast<const T*>(args.residual) + i * args.residual_stride + j);
      store(static_cast<T*>(args.c) + i * args.c_stride + j, x);
    }
  }
  if (j < args.n_count) finish_grouped_plain(dtype, sums, nr, j, args);
}

}  // namespace
}  // namespace nibble::kernels
