// The epilogue of qgemm.h over vectors: include after one kernels/simd/vec_<isa>.h.
#pragma once

#include "kernels/qgemm/epilogue.h"

namespace nibble::kernels {
namespace {

// The branch of all rows and one vector of columns: branch[i] = sum_r h[i, r] up[r].
template <int mr>
NIBBLE_INLINE void low_rank(const float* h, const BFloat16* up, int64_t rank, int m_count, Vec branch[mr]) {
  const float* rows[mr];
  NIBBLE_UNROLL
  for (int i = 0; i < mr; ++i) {
    branch[i] = set(0.0f);
    rows[i] = h + (i < m_count ? i : 0) * rank;
  }
  for (int64_t r = 0; r < rank; ++r) {
    const Vec u = load(up + r * 16);
    NIBBLE_UNROLL
    for (int i = 0; i < mr; ++i) branch[i] = fma(set(rows[i][r]), u, branch[i]);
  }
}

// C of one tile; T its element. sums [mr][nr].
template <typename T, int mr, int nr>
NIBBLE_INLINE void finish_tile(DType dtype, const int32_t* sums, const QTileArgs& args) {
  constexpr int width = Vec::kWidth;
  int j = 0;
  for (; j + width <= args.n_count; j += width) {
    Vec branch[mr];
    const BFloat16* up = args.rank > 0 ? args.up + (j / 16) * args.rank * 16 + j % 16 : nullptr;
    low_rank<mr>(static_cast<const float*>(args.h), up, args.rank, args.m_count, branch);
    const Vec w = load(args.w_scales + j), bias = args.bias != nullptr ? load(args.bias + j) : set(0.0f);
    for (int i = 0; i < args.m_count; ++i) {
      Vec x = fma(load_integers(sums + i * nr + j), set(args.a_scales[i]) * w, branch[i]);
      if (args.bias != nullptr) x = x + bias;
      if (args.residual != nullptr) x = x + load(static_cast<const T*>(args.residual) + i * args.residual_stride + j);
      store(static_cast<T*>(args.c) + i * args.c_stride + j, x);
    }
  }
  if (j < args.n_count) finish_tile_plain(dtype, sums, nr, j, args);
}

}  // namespace
}  // namespace nibble::kernels
