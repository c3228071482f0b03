#include <type_traits>

#include "kernels/qgemm/tile_avx512.h"

namespace nibble::kernels {
namespace {

template <typename T>
NIBBLE_INLINE void add_rows(const T* from, int64_t stride, __m512 x[kMr][2]) {
#pragma GCC unroll 12
  for (int i = 0; i < kMr; ++i, from += stride) {
    x[i][0] = _mm512_add_ps(x[i][0], load(from).v);
    x[i][1] = _mm512_add_ps(x[i][1], load(from + 16).v);
  }
}

// A whole tile without a branch stays in registers up to the result.
template <typename T>
NIBBLE_KERNEL void whole_tile(const QTileArgs& args) {
  __m512i acc[kMr][2];
  accumulate(args, acc);
  __m512 x[kMr][2];
  scale(args, acc, load(args.w_scales).v, load(args.w_scales + 16).v, x);
  if (args.bias != nullptr) add_rows(args.bias, 0, x);
  if (args.residual != nullptr) add_rows(static_cast<const T*>(args.residual), args.residual_stride, x);
  T* c = static_cast<T*>(args.c);
#pragma GCC unroll 12
  for (int i = 0; i < kMr; ++i, c += args.c_stride) {
    store(c, {x[i][0]});
    store(c + 16, {x[i][1]});
  }
}

template <typename T>
NIBBLE_KERNEL void other_tile(const QTileArgs& args) {
  alignas(64) int32_t sums[kMr * kNr];
  accumulate(args, sums);
  finish_tile<T, kMr, kNr>(std::is_same_v<T, float> ? DType::F32 : DType::BF16, sums, args);
}

template <typename T>
void tile(const QTileArgs& args) {
  const bool whole = args.rank == 0 && args.m_count == kMr && args.n_count == kNr;
  whole ? whole_tile<T>(args) : other_tile<T>(args);
}

}  // namespace

const QGemmKernel qgemm_f32_12x32_avx512vnni = {
    "qgemm_f32_12x32_avx512vnni", Isa::Avx512Vnni, DType::F32, kMr, kNr, panel_bytes, expand, tile<float>, nullptr, nullptr, true};
const QGemmKernel qgemm_bf16_12x32_avx512vnni = {
    "qgemm_bf16_12x32_avx512vnni", Isa::Avx512Vnni, DType::BF16, kMr, kNr, panel_bytes, expand, tile<BFloat16>, nullptr, nullptr, true};

}  // namespace nibble::kernels
