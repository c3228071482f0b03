// The branch by bf16 dot products: h is rounded to bf16, pairs of j are added to the float sum as the instruction does it.
#include "kernels/qgemm/tile_avx512.h"

namespace nibble::kernels {
namespace {

constexpr int kRanks = 32;  // of the branch at a time
constexpr int kPairs = kRanks / 2;

// Ranks [first, first + 32) of the tile's rows as bf16, zeros beyond the last; rows past m_count repeat the first.
NIBBLE_INLINE void round_rows(const QTileArgs& args, int64_t first, int32_t out[kMr][kPairs]) {
  const int64_t left = args.rank - first;
  const __mmask32 exists = left >= kRanks ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
#pragma GCC unroll 12
  for (int i = 0; i < kMr; ++i) {
    const float* h = args.h + (i < args.m_count ? i : 0) * args.rank + first;
    const __m512 low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(exists), h);
    const __m512 high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(exists >> 16), h + 16);
    _mm512_store_si512(out[i], (__m512i)_mm512_cvtne2ps_pbh(high, low));
  }
}

// Two ranks of sixteen columns, as pairs; the second is absent after an odd rank.
NIBBLE_INLINE __m512bh pairs_of(const BFloat16* up, bool both) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                                         18, 2, 17, 1, 16, 0);
  const __m512i rows = _mm512_maskz_loadu_epi16(both ? ~__mmask32{0} : __mmask32{0xffff}, up);
  return (__m512bh)_mm512_permutexvar_epi16(order, rows);
}

NIBBLE_INLINE void add_branch(const QTileArgs& args, __m512 sum[kMr][2]) {
  alignas(64) int32_t h[kMr][kPairs];
  for (int64_t first = 0; first < args.rank; first += kRanks) {
    round_rows(args, first, h);
    const BFloat16 *up0 = args.up + first * 16, *up1 = up0 + args.rank * 16;
    const int64_t left = args.rank - first, count = left < kRanks ? left : kRanks;
    for (int64_t j = 0; j < count; j += 2) {
      const __m512bh u0 = pairs_of(up0 + j * 16, j + 1 < count), u1 = pairs_of(up1 + j * 16, j + 1 < count);
#pragma GCC unroll 12
      for (int i = 0; i < kMr; ++i) {
        const __m512bh x = (__m512bh)_mm512_set1_epi32(h[i][j / 2]);
        sum[i][0] = _mm512_dpbf16_ps(sum[i][0], x, u0);
        sum[i][1] = _mm512_dpbf16_ps(sum[i][1], x, u1);
      }
    }
  }
}

NIBBLE_INLINE void spill(const __m512 sum[kMr][2], float* out) {
#pragma GCC unroll 12
  for (int i = 0; i < kMr; ++i) {
    _mm512_store_ps(out + i * kNr, sum[i][0]);
    _mm512_store_ps(out + i * kNr + 16, sum[i][1]);
  }
}

NIBBLE_KERNEL void tile(const QTileArgs& args) {
  alignas(64) int32_t sums[kMr * kNr];
  accumulate(args, sums);
  if (args.n_count < kNr) return finish_tile<BFloat16, kMr, kNr>(DType::BF16, sums, args);
  alignas(64) float branch[kMr * kNr];
  if (args.rank > 0) {
    __m512 sum[kMr][2];
#pragma GCC unroll 12
    for (int i = 0; i < kMr; ++i) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    add_branch(args, sum);
    spill(sum, branch);
  }
  for (int j = 0; j < kNr; j += 16) {
    const Vec w = load(args.w_scales + j), bias = args.bias != nullptr ? load(args.bias + j) : set(0.0f);
    for (int i = 0; i < args.m_count; ++i) {
      const Vec added = args.rank > 0 ? load(branch + i * kNr + j) : set(0.0f);
      Vec x = fma(load_integers(sums + i * kNr + j), set(args.a_scales[i]) * w, added);
      if (args.bias != nullptr) x = x + bias;
      if (args.residual != nullptr) x = x + load(static_cast<const BFloat16*>(args.residual) + i * args.residual_stride + j);
      const __m256i rounded = (__m256i)_mm512_cvtneps_pbh(x.v);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(static_cast<BFloat16*>(args.c) + i * args.c_stride + j), rounded);
    }
  }
}

}  // namespace

const QGemmKernel qgemm_bf16_12x32_avx512bf16 = {
    "qgemm_bf16_12x32_avx512bf16", Isa::Avx512Bf16, DType::BF16, kMr, kNr, panel_bytes, expand, tile, nullptr, nullptr, true, true};

}  // namespace nibble::kernels
