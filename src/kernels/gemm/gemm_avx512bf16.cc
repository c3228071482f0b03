// 12 rows x 32 columns with bf16 dot products of pairs: panels are bf16 [tap][ceil(k / 2)][32][2], zero after an odd k.
// Weights are rounded to bf16; the products of a pair are added to the float accumulator as the instruction does it.
#include "kernels/gemm/table.h"
#include "kernels/gemm/tile_avx512.h"

namespace nibble::kernels {
namespace {

size_t panel_bytes(int64_t taps, int64_t k) {
  return static_cast<size_t>(taps * ((k + 1) / 2) * kNr) * 2 * sizeof(uint16_t);
}

NIBBLE_INLINE __m512i bf16_lanes(const float* x) { return _mm512_cvtepu16_epi32(to_bf16_bits(_mm512_loadu_ps(x))); }

// Float rows of an even and an odd k become a row of pairs; `odd` may be null.
NIBBLE_INLINE void store_pairs(const float* even, const float* odd, uint32_t* out) {
  for (int j = 0; j < kNr; j += 16) {
    __m512i pair = bf16_lanes(even + j);
    if (odd != nullptr) pair = _mm512_or_si512(pair, _mm512_slli_epi32(bf16_lanes(odd + j), 16));
    _mm512_storeu_si512(out + j, pair);
  }
}

// Rows [k_count] of a stage, `step` floats apart, to pairs.
NIBBLE_INLINE void store_stage(const float* stage, int64_t k_count, int64_t step, uint32_t* out) {
  for (int64_t kk = 0; kk < k_count; kk += 2, out += kNr)
    store_pairs(stage + kk * step, kk + 1 < k_count ? stage + (kk + 1) * step : nullptr, out);
}

NIBBLE_INLINE void pack_typed(DType dtype, const PanelSource& s, int64_t taps, int64_t k, uint32_t* panel) {
  alignas(64) float stage[kStageFloats];
  const int64_t pairs = (k + 1) / 2;
  const bool together = taps_are_innermost(s.weight, taps) && stage_k(taps, kNr) >= 2;
  const int64_t step = together ? stage_k(taps, kNr) / 2 * 2 : stage_k(1, kNr);
  const int64_t group = together ? taps : 1;  // taps per stage
  for (int64_t tap = 0; tap < taps; tap += group)
    for (int64_t k_begin = 0; k_begin < k; k_begin += step) {
      const int64_t k_count = k - k_begin < step ? k - k_begin : step;
      if (together)
        expand_all_taps(dtype, s, taps, k_begin, k_count, stage);
      else
        expand_tap(dtype, s, tap, k_begin, k_count, stage);
      for (int64_t t = 0; t < group; ++t)
        store_stage(stage + t * kNr, k_count, group * kNr, panel + ((tap + t) * pairs + k_begin / 2) * kNr);
    }
}

NIBBLE_KERNEL void pack(const WeightView& weight, int64_t n_begin, int n_count, int64_t taps, int64_t k, void* panel) {
  const PanelSource source = {weight, n_begin, n_count, kNr};
  uint32_t* out = static_cast<uint32_t*>(panel);
  if (weight.dtype == DType::F32) return pack_typed(DType::F32, source, taps, k, out);
  if (weight.dtype == DType::F16) return pack_typed(DType::F16, source, taps, k, out);
  pack_typed(DType::BF16, source, taps, k, out);
}

NIBBLE_INLINE int32_t pair_at(const uint16_t* a) {
  int32_t pair;
  __builtin_memcpy(&pair, a, sizeof(pair));
  return pair;
}

NIBBLE_KERNEL void tile(const TileArgs& args) {
  alignas(64) float out[kMr * kNr];
  prefetch_result(args, sizeof(uint16_t));
  __m512 acc[kMr][2];
  clear(acc);
  const uint32_t* b = static_cast<const uint32_t*>(args.panel);
  const void* const* rows = args.rows;
  const int64_t pairs = args.k / 2;
  for (int64_t tap = 0; tap < args.taps; ++tap, rows += kMr) {
    const uint16_t* a[kMr];
#pragma GCC unroll 12
    for (int i = 0; i < kMr; ++i) a[i] = static_cast<const uint16_t*>(rows[i]);
    for (int64_t p = 0; p < pairs; ++p, b += kNr) {
      const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + 16);
#pragma GCC unroll 12
      for (int i = 0; i < kMr; ++i) {
        const __m512bh x = (__m512bh)_mm512_set1_epi32(pair_at(a[i] + 2 * p));
        acc[i][0] = _mm512_dpbf16_ps(acc[i][0], x, b0);
        acc[i][1] = _mm512_dpbf16_ps(acc[i][1], x, b1);
      }
    }
    if (args.k % 2 != 0) {
      const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + 16);
#pragma GCC unroll 12
      for (int i = 0; i < kMr; ++i) {
        const __m512bh x = (__m512bh)_mm512_set1_epi32(static_cast<const uint16_t*>(rows[i])[2 * pairs]);
        acc[i][0] = _mm512_dpbf16_ps(acc[i][0], x, b0);
        acc[i][1] = _mm512_dpbf16_ps(acc[i][1], x, b1);
      }
      b += kNr;
    }
  }
  spill(acc, out);
  store_tile(DType::BF16, out, args);
}

}  // namespace

const GemmKernel gemm_bf16_12x32_avx512bf16 = {
    "gemm_bf16_12x32_avx512bf16", Isa::Avx512Bf16, DType::BF16, kMr, kNr, panel_bytes, pack, tile, nullptr};

}  // namespace nibble::kernels
