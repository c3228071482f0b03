// 6 rows x 16 columns in 24 accumulators: sdot multiplies four bytes of sixteen channels with four bytes of a row, one lane of a
// vector that holds sixteen of them. Panel: signed bytes [taps][padded_k / 4][16][4].
#include "kernels/simd/vec_neon.h"
// After the vectors.
#include "kernels/qgemm/expand_neon.h"
#include "kernels/qgemm/finish_impl.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 6, kNr = 16;

size_t panel_bytes(int64_t taps, int64_t padded_k) { return static_cast<size_t>(taps * padded_k * kNr); }

NIBBLE_KERNEL void expand(const QuantWeightView& w, int64_t first, void* panel) { expand_bytes(ByteOrder::Quads, w, first, panel); }

// Four k of the panel times lane `lane` of each row.
#define MULTIPLY_LANE(lane)                                                                                             \
  _Pragma("GCC unroll 4") for (int j = 0; j < 4; ++j) {                                                                 \
    const int8x16_t w = vld1q_s8(b + (lane) * 64 + j * 16);                                                             \
    _Pragma("GCC unroll 6") for (int i = 0; i < kMr; ++i) acc[i][j] = vdotq_laneq_s32(acc[i][j], w, x[i], lane); \
  }

NIBBLE_INLINE void accumulate(const QTileArgs& args, int32_t* out) {
  int32x4_t acc[kMr][4];
#pragma GCC unroll 6
  for (int i = 0; i < kMr; ++i) acc[i][0] = acc[i][1] = acc[i][2] = acc[i][3] = vdupq_n_s32(0);
  const int8_t* b = static_cast<const int8_t*>(args.panel);
  const void* const* rows = args.rows;
  for (int64_t tap = 0; tap < args.taps; ++tap, rows += kMr) {
    const int8_t* a[kMr];
#pragma GCC unroll 6
    for (int i = 0; i < kMr; ++i) a[i] = static_cast<const int8_t*>(rows[i]);
    for (int64_t k = 0; k < args.padded_k; k += 16, b += 256) {
      int8x16_t x[kMr];
#pragma GCC unroll 6
      for (int i = 0; i < kMr; ++i) x[i] = vld1q_s8(a[i] + k);
      MULTIPLY_LANE(0)
      MULTIPLY_LANE(1)
      MULTIPLY_LANE(2)
      MULTIPLY_LANE(3)
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kMr; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) vst1q_s32(out + i * kNr + 4 * j, acc[i][j]);
}

NIBBLE_KERNEL void tile_f32(const QTileArgs& args) {
  int32_t sums[kMr * kNr];
  accumulate(args, sums);
  finish_tile<float, kMr, kNr>(DType::F32, sums, args);
}

NIBBLE_KERNEL void tile_bf16(const QTileArgs& args) {
  int32_t sums[kMr * kNr];
  accumulate(args, sums);
  finish_tile<BFloat16, kMr, kNr>(DType::BF16, sums, args);
}

}  // namespace

const QGemmKernel qgemm_f32_6x16_dotprod = {
    "qgemm_f32_6x16_dotprod", Isa::DotProd, DType::F32, kMr, kNr, panel_bytes, expand, tile_f32, nullptr, nullptr, false};
const QGemmKernel qgemm_bf16_6x16_dotprod = {
    "qgemm_bf16_6x16_dotprod", Isa::DotProd, DType::BF16, kMr, kNr, panel_bytes, expand, tile_bf16, nullptr, nullptr, false};

}  // namespace nibble::kernels
