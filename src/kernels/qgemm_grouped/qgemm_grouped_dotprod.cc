// 4 rows x 16 columns, eight columns at a time: 8 accumulators of one step and the 16 float sums of the tile in registers.
// Panel: signed bytes [taps][padded_k / 4][16][4].
#include "kernels/simd/vec_neon.h"
// After the vectors.
#include "kernels/qgemm_grouped/finish_impl.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 4, kNr = 16;

size_t panel_bytes(int64_t taps, int64_t padded_k) { return static_cast<size_t>(taps * padded_k * kNr); }

NIBBLE_KERNEL void expand(const QuantWeightView& w, int64_t first, void* panel) {
  const QuantShape& s = w.shape;
  const uint8_t* codes = w.codes + first * s.panel_bytes();
  int8_t* to = static_cast<int8_t*>(panel);
  const int8x16_t eight = vdupq_n_s8(8);
  for (int64_t block = 0; block < s.taps * s.padded_k() / 8; ++block, codes += 64, to += 128)
    for (int i = 0; i < 64; i += 16) {
      const uint8x16_t bytes = vld1q_u8(codes + i);
      vst1q_s8(to + i, vsubq_s8(vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15))), eight));
      vst1q_s8(to + 64 + i, vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4)), eight));
    }
}

// Four k of eight columns times lane `lane` of each row.
#define MULTIPLY_LANE(lane)                                                                          \
  {                                                                                                  \
    const int8x16_t w0 = vld1q_s8(b + (lane) * 64 + k * 16), w1 = vld1q_s8(b + (lane) * 64 + k * 16 + 16); \
    _Pragma("GCC unroll 4") for (int i = 0; i < kMr; ++i) {                                          \
      acc[i][0] = vdotq_laneq_s32(acc[i][0], w0, x[i], lane);                                        \
      acc[i][1] = vdotq_laneq_s32(acc[i][1], w1, x[i], lane);                                        \
    }                                                                                                \
  }

// Dots of one step and eight columns, scaled, into sums [4][2].
NIBBLE_INLINE void add_step(const int8_t* const a[kMr], const int8_t* b, int64_t count, const float scales[kMr], const float* ratios,
                            float32x4_t sums[kMr][2]) {
  int32x4_t acc[kMr][2];
#pragma GCC unroll 4
  for (int i = 0; i < kMr; ++i) acc[i][0] = acc[i][1] = vdupq_n_s32(0);
  for (int64_t k = 0; k < count; k += 16) {
    int8x16_t x[kMr];
#pragma GCC unroll 4
    for (int i = 0; i < kMr; ++i) x[i] = vld1q_s8(a[i] + k);
    MULTIPLY_LANE(0)
    MULTIPLY_LANE(1)
    MULTIPLY_LANE(2)
    MULTIPLY_LANE(3)
  }
  const float32x4_t r0 = vld1q_f32(ratios), r1 = vld1q_f32(ratios + 4);
#pragma GCC unroll 4
  for (int i = 0; i < kMr; ++i) {
    const float32x4_t s = vdupq_n_f32(scales[i]);
    sums[i][0] = vfmaq_f32(sums[i][0], vcvtq_f32_s32(acc[i][0]), vmulq_f32(s, r0));
    sums[i][1] = vfmaq_f32(sums[i][1], vcvtq_f32_s32(acc[i][1]), vmulq_f32(s, r1));
  }
}

NIBBLE_INLINE void accumulate(const QGroupedTileArgs& args, float* out) {
  float32x4_t left[kMr][2], right[kMr][2];
#pragma GCC unroll 4
  for (int i = 0; i < kMr; ++i) left[i][0] = left[i][1] = right[i][0] = right[i][1] = vdupq_n_f32(0.0f);
  const int8_t* b = static_cast<const int8_t*>(args.panel);
  const float* ratios = args.ratios;
  for (int64_t tap = 0; tap < args.taps; ++tap, b += args.padded_k * kNr, ratios += args.groups * kNr)
    for (int64_t step = 0; step < args.steps; ++step) {
      const int64_t k = step * args.step, count = k + args.step < args.padded_k ? args.step : args.padded_k - k;
      const int8_t* a[kMr];
      float scales[kMr];
#pragma GCC unroll 4
      for (int i = 0; i < kMr; ++i) {
        a[i] = static_cast<const int8_t*>(args.rows[tap * kMr + i]) + k;
        scales[i] = args.scales[tap * kMr + i][step >> args.scale_shift];
      }
      const float* ratio = ratios + (step >> args.ratio_shift) * kNr;
      add_step(a, b + k * kNr, count, scales, ratio, left);
      add_step(a, b + k * kNr + 32, count, scales, ratio + 8, right);
    }
#pragma GCC unroll 4
  for (int i = 0; i < kMr; ++i) {
    vst1q_f32(out + i * kNr, left[i][0]);
    vst1q_f32(out + i * kNr + 4, left[i][1]);
    vst1q_f32(out + i * kNr + 8, right[i][0]);
    vst1q_f32(out + i * kNr + 12, right[i][1]);
  }
}

NIBBLE_KERNEL void tile_f32(const QGroupedTileArgs& args) {
  float sums[kMr * kNr];
  accumulate(args, sums);
  finish_grouped<float, kMr, kNr>(DType::F32, sums, args);
}

NIBBLE_KERNEL void tile_bf16(const QGroupedTileArgs& args) {
  float sums[kMr * kNr];
  accumulate(args, sums);
  finish_grouped<BFloat16, kMr, kNr>(DType::BF16, sums, args);
}

}  // namespace

const QGemmGroupedKernel qgemm_grouped_f32_4x16_dotprod = {
    "qgemm_grouped_f32_4x16_dotprod", Isa::DotProd, DType::F32, kMr, kNr, panel_bytes, expand, tile_f32, false};
const QGemmGroupedKernel qgemm_grouped_bf16_4x16_dotprod = {
    "qgemm_grouped_bf16_4x16_dotprod", Isa::DotProd, DType::BF16, kMr, kNr, panel_bytes, expand, tile_bf16, false};

}  // namespace nibble::kernels
