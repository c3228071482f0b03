// 12 rows x 32 columns; panels are float [tap][k][32] for both element types. bf16 rows arrive expanded to float.
#include "kernels/gemm/table.h"
#include "kernels/gemm/tile_avx512.h"

namespace nibble::kernels {
namespace {

size_t panel_bytes(int64_t taps, int64_t k) { return static_cast<size_t>(taps * k * kNr) * sizeof(float); }

NIBBLE_KERNEL void pack(const WeightView& weight, int64_t n_begin, int n_count, int64_t taps, int64_t k, void* panel) {
  expand_panel({weight, n_begin, n_count, kNr}, taps, k, static_cast<float*>(panel));
}

// The sum over taps and k into out [12][32].
NIBBLE_INLINE void accumulate(const TileArgs& args, float* out) {
  __m512 acc[kMr][2];
  clear(acc);
  const float* b = static_cast<const float*>(args.panel);
  const void* const* rows = args.rows;
  const int64_t k = args.k;
  for (int64_t tap = 0; tap < args.taps; ++tap, rows += kMr) {
    const float* a[kMr];
#pragma GCC unroll 12
    for (int i = 0; i < kMr; ++i) a[i] = static_cast<const float*>(rows[i]);
    for (int64_t kk = 0; kk < k; ++kk, b += kNr) {
      const __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 16);
#pragma GCC unroll 12
      for (int i = 0; i < kMr; ++i) {
        const __m512 x = _mm512_set1_ps(a[i][kk]);
        acc[i][0] = _mm512_fmadd_ps(x, b0, acc[i][0]);
        acc[i][1] = _mm512_fmadd_ps(x, b1, acc[i][1]);
      }
    }
  }
  spill(acc, out);
}

NIBBLE_KERNEL void tile_f32(const TileArgs& args) {
  alignas(64) float out[kMr * kNr];
  prefetch_result(args, sizeof(float));
  accumulate(args, out);
  store_tile(DType::F32, out, args);
}

NIBBLE_KERNEL void tile_bf16(const TileArgs& args) {
  alignas(64) float out[kMr * kNr];
  prefetch_result(args, sizeof(uint16_t));
  accumulate(args, out);
  store_tile(DType::BF16, out, args);
}

NIBBLE_KERNEL void expand_bf16_row(const void* row, int64_t k, float* out) {
  int64_t kk = 0;
  for (; kk + 16 <= k; kk += 16) _mm512_storeu_ps(out + kk, load16_bf16(row, kk));
  for (; kk < k; ++kk) out[kk] = float_from_bf16(static_cast<const uint16_t*>(row)[kk]);
}

}  // namespace

const GemmKernel gemm_f32_12x32_avx512 = {
    "gemm_f32_12x32_avx512", Isa::Avx512, DType::F32, kMr, kNr, panel_bytes, pack, tile_f32, nullptr};
const GemmKernel gemm_bf16_12x32_avx512 = {
    "gemm_bf16_12x32_avx512", Isa::Avx512, DType::BF16, kMr, kNr, panel_bytes, pack, tile_bf16, expand_bf16_row};

}  // namespace nibble::kernels
