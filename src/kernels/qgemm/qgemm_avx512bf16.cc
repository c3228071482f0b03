// The branch by bf16 dot products of pairs of ranks, added to the scaled integer sum as the instruction does it; h comes in bf16.
// The sums stay in registers up to the result.
#include "kernels/qgemm/tile_avx512.h"

namespace nibble::kernels {
namespace {

// Ranks j and j + 1 of sixteen columns, as pairs; zeros for a last rank's missing partner.
NIBBLE_INLINE __m512bh pairs_of(const BFloat16* up, bool both) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                                         18, 2, 17, 1, 16, 0);
  const __m512i ranks = both ? _mm512_loadu_si512(up) : _mm512_maskz_loadu_epi16(__mmask32{0xffff}, up);
  return (__m512bh)_mm512_permutexvar_epi16(order, ranks);
}

NIBBLE_INLINE int32_t pair_at(const uint16_t* h, bool both) {
  int32_t pair = *h;
  if (both) __builtin_memcpy(&pair, h, sizeof(pair));
  return pair;
}

template <int mr>
struct Branch {
  const uint16_t* h[mr];
  const BFloat16 *up0, *up1;
};

template <int mr>
NIBBLE_INLINE void add_pairs(const Branch<mr>& b, int64_t j, bool both, __m512 x[mr][2]) {
  const __m512bh u0 = pairs_of(b.up0 + j * 16, both), u1 = pairs_of(b.up1 + j * 16, both);
#pragma GCC unroll 12
  for (int i = 0; i < mr; ++i) {
    const __m512bh a = (__m512bh)_mm512_set1_epi32(pair_at(b.h[i] + j, both));
    x[i][0] = _mm512_dpbf16_ps(x[i][0], a, u0);
    x[i][1] = _mm512_dpbf16_ps(x[i][1], a, u1);
  }
}

// Rows past m_count repeat the first, columns past the weight's last panel the panel before.
template <int mr>
NIBBLE_INLINE void add_branch(const QTileArgs& args, __m512 x[mr][2]) {
  Branch<mr> b;
#pragma GCC unroll 12
  for (int i = 0; i < mr; ++i) b.h[i] = static_cast<const uint16_t*>(args.h) + (i < args.m_count ? i : 0) * args.rank;
  b.up0 = args.up;
  b.up1 = args.n_count > 16 ? b.up0 + args.rank * 16 : b.up0;
  int64_t j = 0;
  for (; j + 2 <= args.rank; j += 2) add_pairs<mr>(b, j, true, x);
  if (j < args.rank) add_pairs<mr>(b, j, false, x);
}

// The tile's columns that exist.
struct Columns {
  __mmask16 low, high;
  explicit Columns(int count)
      : low(static_cast<__mmask16>(count < 16 ? (1u << count) - 1 : 0xffffu)),
        high(static_cast<__mmask16>(count < 16 ? 0u : count < 32 ? (1u << (count - 16)) - 1 : 0xffffu)) {}
};

NIBBLE_INLINE __m512 widened(__mmask16 exist, const BFloat16* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(exist, p)), 16));
}

template <int mr>
NIBBLE_INLINE void add_bias_and_residual(const QTileArgs& args, const Columns& columns, __m512 x[mr][2]) {
  if (args.bias != nullptr) {
    const __m512 low = _mm512_maskz_loadu_ps(columns.low, args.bias), high = _mm512_maskz_loadu_ps(columns.high, args.bias + 16);
#pragma GCC unroll 12
    for (int i = 0; i < mr; ++i) {
      x[i][0] = _mm512_add_ps(x[i][0], low);
      x[i][1] = _mm512_add_ps(x[i][1], high);
    }
  }
  if (args.residual == nullptr) return;
#pragma GCC unroll 12
  for (int i = 0; i < mr; ++i) {
    const BFloat16* r = static_cast<const BFloat16*>(args.residual) + (i < args.m_count ? i : 0) * args.residual_stride;
    x[i][0] = _mm512_add_ps(x[i][0], widened(columns.low, r));
    x[i][1] = _mm512_add_ps(x[i][1], widened(columns.high, r + 16));
  }
}

template <int mr>
NIBBLE_INLINE void store_whole(const QTileArgs& args, const __m512 x[mr][2]) {
  BFloat16* c = static_cast<BFloat16*>(args.c);
#pragma GCC unroll 12
  for (int i = 0; i < mr; ++i, c += args.c_stride) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(c), (__m256i)_mm512_cvtneps_pbh(x[i][0]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(c + 16), (__m256i)_mm512_cvtneps_pbh(x[i][1]));
  }
}

template <int mr>
NIBBLE_INLINE void store_part(const QTileArgs& args, const Columns& columns, const __m512 x[mr][2]) {
  BFloat16* c = static_cast<BFloat16*>(args.c);
#pragma GCC unroll 12
  for (int i = 0; i < mr; ++i, c += args.c_stride) {
    if (i >= args.m_count) return;
    _mm256_mask_storeu_epi16(c, columns.low, (__m256i)_mm512_cvtneps_pbh(x[i][0]));
    _mm256_mask_storeu_epi16(c + 16, columns.high, (__m256i)_mm512_cvtneps_pbh(x[i][1]));
  }
}

template <int mr>
NIBBLE_KERNEL void tile_of(const QTileArgs& args) {
  __m512i acc[mr][2];
  accumulate<mr>(args, acc);
  const Columns columns(args.n_count);
  const __m512 w0 = _mm512_maskz_loadu_ps(columns.low, args.w_scales), w1 = _mm512_maskz_loadu_ps(columns.high, args.w_scales + 16);
  __m512 x[mr][2];
  scale<mr>(args, acc, w0, w1, x);
  if (args.rank > 0) add_branch<mr>(args, x);
  add_bias_and_residual<mr>(args, columns, x);
  if (args.m_count == mr && args.n_count == kNr) return store_whole<mr>(args, x);
  store_part<mr>(args, columns, x);
}

void tile(const QTileArgs& args) {
  with_rows(args.m_count, [&](auto mr) { tile_of<mr>(args); });
}

}  // namespace

const QGemmKernel qgemm_bf16_12x32_avx512bf16 = {
    "qgemm_bf16_12x32_avx512bf16", Isa::Avx512Bf16, DType::BF16, kMr, kNr, panel_bytes, expand, tile, nullptr, nullptr, true, DType::BF16};

}  // namespace nibble::kernels
