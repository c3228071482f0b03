// 6 rows x 16 columns in 24 accumulators of 2 x 2: smmla multiplies eight bytes of two rows with eight bytes of two channels.
// Panel: signed bytes [taps][padded_k / 8][16][8].
#include "kernels/simd/vec_neon.h"
// After the vectors.
#include "kernels/qgemm/expand_neon.h"
#include "kernels/qgemm/finish_impl.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 6, kNr = 16, kPairs = kMr / 2;

size_t panel_bytes(int64_t taps, int64_t padded_k) { return static_cast<size_t>(taps * padded_k * kNr); }

NIBBLE_KERNEL void expand(const QuantWeightView& w, int64_t first, void* panel) { expand_bytes(ByteOrder::Eights, w, first, panel); }

NIBBLE_INLINE void accumulate(const QTileArgs& args, int32_t* out) {
  int32x4_t acc[kPairs][8];
#pragma GCC unroll 3
  for (int i = 0; i < kPairs; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) acc[i][j] = vdupq_n_s32(0);
  const int8_t* b = static_cast<const int8_t*>(args.panel);
  const void* const* rows = args.rows;
  for (int64_t tap = 0; tap < args.taps; ++tap, rows += kMr) {
    const int8_t* a[kMr];
#pragma GCC unroll 6
    for (int i = 0; i < kMr; ++i) a[i] = static_cast<const int8_t*>(rows[i]);
    for (int64_t k = 0; k < args.padded_k; k += 8, b += 128) {
      int8x16_t x[kPairs];
#pragma GCC unroll 3
      for (int i = 0; i < kPairs; ++i) x[i] = vcombine_s8(vld1_s8(a[2 * i] + k), vld1_s8(a[2 * i + 1] + k));
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) {
        const int8x16_t w = vld1q_s8(b + j * 16);
#pragma GCC unroll 3
        for (int i = 0; i < kPairs; ++i) acc[i][j] = vmmlaq_s32(acc[i][j], x[i], w);
      }
    }
  }
#pragma GCC unroll 3
  for (int i = 0; i < kPairs; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      vst1_s32(out + 2 * i * kNr + 2 * j, vget_low_s32(acc[i][j]));
      vst1_s32(out + (2 * i + 1) * kNr + 2 * j, vget_high_s32(acc[i][j]));
    }
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

const QGemmKernel qgemm_f32_6x16_i8mm = {
    "qgemm_f32_6x16_i8mm", Isa::I8mm, DType::F32, kMr, kNr, panel_bytes, expand, tile_f32, nullptr, nullptr, false};
const QGemmKernel qgemm_bf16_6x16_i8mm = {
    "qgemm_bf16_6x16_i8mm", Isa::I8mm, DType::BF16, kMr, kNr, panel_bytes, expand, tile_bf16, nullptr, nullptr, false};

}  // namespace nibble::kernels
