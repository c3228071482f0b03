// 8 rows x 8 columns in 16 accumulators; panels are float [tap][k][8]. bf16 rows arrive expanded to float.
// Four k are taken at a time: a row's four values are one vector whose lanes multiply four rows of the panel.
#include "kernels/gemm/table.h"
#include "kernels/gemm/weight_element.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 8, kNr = 8;

size_t panel_bytes(int64_t taps, int64_t k) { return static_cast<size_t>(taps * k * kNr) * sizeof(float); }

NIBBLE_INLINE float32x4_t load4(DType dtype, const void* data, int64_t index) {
  if (dtype == DType::F32) return vld1q_f32(static_cast<const float*>(data) + index);
  const uint16x4_t v = vld1_u16(static_cast<const uint16_t*>(data) + index);
  if (dtype == DType::F16) return vcvt_f32_f16(vreinterpret_f16_u16(v));
  return vreinterpretq_f32_u32(vshll_n_u16(v, 16));
}

NIBBLE_INLINE float32x4_t low_halves(float32x4_t a, float32x4_t b) {
  return vcombine_f32(vget_low_f32(a), vget_low_f32(b));
}
NIBBLE_INLINE float32x4_t high_halves(float32x4_t a, float32x4_t b) {
  return vcombine_f32(vget_high_f32(a), vget_high_f32(b));
}

// Four channels of four consecutive weights to four rows of the panel, `step` floats apart.
NIBBLE_INLINE void transpose_4x4(DType dtype, const void* data, const int64_t* rows, int64_t j, float* const out[4]) {
  const float32x4_t r0 = load4(dtype, data, rows[0] + j), r1 = load4(dtype, data, rows[1] + j);
  const float32x4_t r2 = load4(dtype, data, rows[2] + j), r3 = load4(dtype, data, rows[3] + j);
  const float32x4_t t0 = vtrn1q_f32(r0, r1), t1 = vtrn2q_f32(r0, r1);
  const float32x4_t t2 = vtrn1q_f32(r2, r3), t3 = vtrn2q_f32(r2, r3);
  vst1q_f32(out[0], low_halves(t0, t2));
  vst1q_f32(out[1], low_halves(t1, t3));
  vst1q_f32(out[2], high_halves(t0, t2));
  vst1q_f32(out[3], high_halves(t1, t3));
}

// Where weight j of a run goes: the run counts k, or (OIHW) taps and then k.
struct RunOrder {
  int64_t taps, k;  // taps 1: only k
  int64_t offset(int64_t j) const { return (j % taps * k + j / taps) * kNr; }
};

NIBBLE_INLINE void pack_run(DType dtype, const WeightView& w, int64_t first, int n_count, int64_t count,
                            const RunOrder& order, float* panel) {
  int64_t rows[kNr];
  for (int i = 0; i < kNr; ++i) rows[i] = first + (i < n_count ? i : n_count - 1) * w.n_stride;
  int64_t j = 0;
  for (; n_count == kNr && j + 4 <= count; j += 4) {
    float* out[4];
    for (int i = 0; i < 4; ++i) out[i] = panel + order.offset(j + i);
    transpose_4x4(dtype, w.data, rows, j, out);
    for (int i = 0; i < 4; ++i) out[i] += 4;
    transpose_4x4(dtype, w.data, rows + 4, j, out);
  }
  for (; j < count; ++j)
    for (int i = 0; i < kNr; ++i)
      panel[order.offset(j) + i] = i < n_count ? load_element(dtype, w.data, rows[i] + j) : 0.0f;
}

NIBBLE_INLINE void pack_typed(DType dtype, const WeightView& w, int64_t n_begin, int n_count, int64_t taps, int64_t k,
                              float* panel) {
  const int64_t first = n_begin * w.n_stride;
  if (w.k_stride == 1) {
    for (int64_t tap = 0; tap < taps; ++tap)
      pack_run(dtype, w, first + tap * w.tap_stride, n_count, k, {1, k}, panel + tap * k * kNr);
    return;
  }
  if (w.tap_stride == 1 && w.k_stride == taps) return pack_run(dtype, w, first, n_count, taps * k, {taps, k}, panel);
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t kk = 0; kk < k; ++kk)
      for (int i = 0; i < kNr; ++i) {
        const int64_t index = first + i * w.n_stride + tap * w.tap_stride + kk * w.k_stride;
        *panel++ = i < n_count ? load_element(dtype, w.data, index) : 0.0f;
      }
}

NIBBLE_KERNEL void pack(const WeightView& w, int64_t n_begin, int n_count, int64_t taps, int64_t k, void* panel) {
  float* out = static_cast<float*>(panel);
  if (w.dtype == DType::F32) return pack_typed(DType::F32, w, n_begin, n_count, taps, k, out);
  if (w.dtype == DType::F16) return pack_typed(DType::F16, w, n_begin, n_count, taps, k, out);
  pack_typed(DType::BF16, w, n_begin, n_count, taps, k, out);
}

// Round to nearest even; NaN stays NaN.
NIBBLE_INLINE uint16x4_t round_to_bf16(float32x4_t x) {
  const uint32x4_t u = vreinterpretq_u32_f32(x), high = vshrq_n_u32(u, 16);
  const uint32x4_t odd = vandq_u32(high, vdupq_n_u32(1));
  const uint32x4_t rounded = vshrq_n_u32(vaddq_u32(u, vaddq_u32(odd, vdupq_n_u32(0x7fff))), 16);
  return vmovn_u32(vbslq_u32(vceqq_f32(x, x), rounded, vorrq_u32(high, vdupq_n_u32(0x40))));
}

NIBBLE_INLINE void store4(DType dtype, void* c, int64_t index, float32x4_t x) {
  if (dtype == DType::F32)
    vst1q_f32(static_cast<float*>(c) + index, x);
  else
    vst1_u16(static_cast<uint16_t*>(c) + index, round_to_bf16(x));
}

// C = acc + bias + residual; acc [8][8].
NIBBLE_INLINE void store_tile(DType dtype, const float* acc, const TileArgs& args) {
  if (args.n_count != kNr) return store_tile_plain(dtype, acc, kNr, args);
  for (int j = 0; j < kNr; j += 4) {
    const float32x4_t bias = args.bias != nullptr ? vld1q_f32(args.bias + j) : vdupq_n_f32(0.0f);
    for (int i = 0; i < args.m_count; ++i) {
      float32x4_t x = vld1q_f32(acc + i * kNr + j);
      if (args.bias != nullptr) x = vaddq_f32(x, bias);
      if (args.residual != nullptr) x = vaddq_f32(x, load4(dtype, args.residual, i * args.residual_stride + j));
      store4(dtype, args.c, i * args.c_stride + j, x);
    }
  }
}

// One row of the panel times lane `lane` of each row of activations.
#define MULTIPLY_LANE(lane)                                                               \
  {                                                                                       \
    const float32x4_t b0 = vld1q_f32(b + (lane)*kNr), b1 = vld1q_f32(b + (lane)*kNr + 4); \
    _Pragma("GCC unroll 8") for (int i = 0; i < kMr; ++i) {                               \
      acc[i][0] = vfmaq_laneq_f32(acc[i][0], b0, x[i], lane);                             \
      acc[i][1] = vfmaq_laneq_f32(acc[i][1], b1, x[i], lane);                             \
    }                                                                                     \
  }

// The sum over taps and k into out [8][8].
NIBBLE_INLINE void accumulate(const TileArgs& args, float* out) {
  float32x4_t acc[kMr][2];
#pragma GCC unroll 8
  for (int i = 0; i < kMr; ++i) acc[i][0] = acc[i][1] = vdupq_n_f32(0.0f);
  const float* b = static_cast<const float*>(args.panel);
  const void* const* rows = args.rows;
  const int64_t k = args.k;
  for (int64_t tap = 0; tap < args.taps; ++tap, rows += kMr) {
    const float* a[kMr];
#pragma GCC unroll 8
    for (int i = 0; i < kMr; ++i) a[i] = static_cast<const float*>(rows[i]);
    int64_t kk = 0;
    for (; kk + 4 <= k; kk += 4, b += 4 * kNr) {
      float32x4_t x[kMr];
#pragma GCC unroll 8
      for (int i = 0; i < kMr; ++i) x[i] = vld1q_f32(a[i] + kk);
      MULTIPLY_LANE(0)
      MULTIPLY_LANE(1)
      MULTIPLY_LANE(2)
      MULTIPLY_LANE(3)
    }
    for (; kk < k; ++kk, b += kNr) {
      const float32x4_t b0 = vld1q_f32(b), b1 = vld1q_f32(b + 4);
#pragma GCC unroll 8
      for (int i = 0; i < kMr; ++i) {
        const float32x4_t x = vdupq_n_f32(a[i][kk]);
        acc[i][0] = vfmaq_f32(acc[i][0], b0, x);
        acc[i][1] = vfmaq_f32(acc[i][1], b1, x);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kMr; ++i) {
    vst1q_f32(out + i * kNr, acc[i][0]);
    vst1q_f32(out + i * kNr + 4, acc[i][1]);
  }
}

NIBBLE_KERNEL void tile_f32(const TileArgs& args) {
  float out[kMr * kNr];
  accumulate(args, out);
  store_tile(DType::F32, out, args);
}

NIBBLE_KERNEL void tile_bf16(const TileArgs& args) {
  float out[kMr * kNr];
  accumulate(args, out);
  store_tile(DType::BF16, out, args);
}

NIBBLE_KERNEL void expand_bf16_row(const void* row, int64_t k, float* out) {
  int64_t kk = 0;
  for (; kk + 4 <= k; kk += 4) vst1q_f32(out + kk, load4(DType::BF16, row, kk));
  for (; kk < k; ++kk) out[kk] = float_from_bf16(static_cast<const uint16_t*>(row)[kk]);
}

}  // namespace

const GemmKernel gemm_f32_8x8_neon = {"gemm_f32_8x8_neon", Isa::Neon, DType::F32, kMr,    kNr,
                                      panel_bytes,         pack,      tile_f32,   nullptr};
const GemmKernel gemm_bf16_8x8_neon = {
    "gemm_bf16_8x8_neon", Isa::Neon, DType::BF16, kMr, kNr, panel_bytes, pack, tile_bf16, expand_bf16_row};

}  // namespace nibble::kernels
