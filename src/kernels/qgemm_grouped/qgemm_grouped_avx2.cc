// 4 rows x 16 columns. Products of 4-bit codes are summed in int16: vpmaddubsw takes the weight code + 8 (0..15, unsigned) and the
// activation code (-7..15, signed), two products to a lane, and 64 k add up to at most 16 · 2 · 15 · 15 = 7,200. One vpmaddwd
// per group widens them. The + 8 is taken back by 8 · sum of the activation codes, the start of each group's sum.
// Panel: bytes [taps][padded_k / 4][16][4].
#include "kernels/qgemm_grouped/epilogue.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 4, kNr = 16;

size_t panel_bytes(int64_t taps, int64_t padded_k) { return static_cast<size_t>(taps * padded_k * kNr); }

NIBBLE_KERNEL void expand(const QuantWeightView& w, int64_t panel, void* out) {
  const QuantShape& s = w.shape;
  const uint8_t* codes = w.codes + panel * s.panel_bytes();
  uint8_t* to = static_cast<uint8_t*>(out);
  const __m256i low = _mm256_set1_epi8(15);
  for (int64_t block = 0; block < s.taps * s.padded_k() / 8; ++block, codes += 64, to += 128)
    for (int half = 0; half < 64; half += 32) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + half));
      _mm256_store_si256(reinterpret_cast<__m256i*>(to + half), _mm256_and_si256(bytes, low));
      _mm256_store_si256(reinterpret_cast<__m256i*>(to + 64 + half), _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low));
    }
}

// Sum of the activation codes of [k, end) of a row; the whole number of quads is even (groups are multiples of 32).
NIBBLE_INLINE int32_t sum_codes(const int8_t* a, int64_t count) {
  __m256i sum = _mm256_setzero_si256();
  const __m256i bias = _mm256_set1_epi8(static_cast<char>(-128));
  for (int64_t k = 0; k < count; k += 32)
    sum = _mm256_add_epi64(sum, _mm256_sad_epu8(_mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + k)), bias),
                                                _mm256_setzero_si256()));
  const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  return static_cast<int32_t>(_mm_cvtsi128_si64(half) + _mm_extract_epi64(half, 1)) - static_cast<int32_t>(128 * count);
}

// Dots of one group into acc [4][2], scaled.
NIBBLE_INLINE void add_group(const int8_t* const a[kMr], const float scale[kMr], const uint8_t* b, int64_t count, const float* ratios,
                             __m256 acc[kMr][2]) {
  __m256i sums[kMr][2];
#pragma GCC unroll 4
  for (int i = 0; i < kMr; ++i) sums[i][0] = sums[i][1] = _mm256_setzero_si256();
  for (int64_t k = 0; k < count; k += 4, b += 64) {
    const __m256i b0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(b));
    const __m256i b1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(b + 32));
#pragma GCC unroll 4
    for (int i = 0; i < kMr; ++i) {
      int32_t quad;
      __builtin_memcpy(&quad, a[i] + k, 4);
      const __m256i x = _mm256_set1_epi32(quad);
      sums[i][0] = _mm256_add_epi16(sums[i][0], _mm256_maddubs_epi16(b0, x));
      sums[i][1] = _mm256_add_epi16(sums[i][1], _mm256_maddubs_epi16(b1, x));
    }
  }
  const __m256i one = _mm256_set1_epi16(1);
  const __m256 r0 = _mm256_loadu_ps(ratios), r1 = _mm256_loadu_ps(ratios + 8);
#pragma GCC unroll 4
  for (int i = 0; i < kMr; ++i) {
    const __m256i correction = _mm256_set1_epi32(-8 * sum_codes(a[i], count));
    const __m256 d0 = _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_madd_epi16(sums[i][0], one), correction));
    const __m256 d1 = _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_madd_epi16(sums[i][1], one), correction));
    const __m256 s = _mm256_set1_ps(scale[i]);
    acc[i][0] = _mm256_fmadd_ps(d0, _mm256_mul_ps(s, r0), acc[i][0]);
    acc[i][1] = _mm256_fmadd_ps(d1, _mm256_mul_ps(s, r1), acc[i][1]);
  }
}

NIBBLE_INLINE void accumulate(const QGroupedTileArgs& args, float* out) {
  __m256 acc[kMr][2];
#pragma GCC unroll 4
  for (int i = 0; i < kMr; ++i) acc[i][0] = acc[i][1] = _mm256_setzero_ps();
  const uint8_t* b = static_cast<const uint8_t*>(args.panel);
  const int64_t step = args.group < kActivationGroup ? args.group : kActivationGroup;
  const int64_t groups = (args.padded_k + args.group - 1) / args.group;
  for (int64_t tap = 0; tap < args.taps; ++tap, b += args.padded_k * kNr)
    for (int64_t k = 0; k < args.padded_k; k += step) {
      const int8_t* a[kMr];
      float scale[kMr];
#pragma GCC unroll 4
      for (int i = 0; i < kMr; ++i) {
        a[i] = static_cast<const int8_t*>(args.rows[tap * kMr + i]) + k;
        scale[i] = args.row_scales[tap * kMr + i][k / kActivationGroup];
      }
      const int64_t count = k + step < args.padded_k ? step : args.padded_k - k;
      add_group(a, scale, b + k * kNr, count, args.ratios + (tap * groups + k / args.group) * kNr, acc);
    }
#pragma GCC unroll 4
  for (int i = 0; i < kMr; ++i) {
    _mm256_store_ps(out + i * kNr, acc[i][0]);
    _mm256_store_ps(out + i * kNr + 8, acc[i][1]);
  }
}

NIBBLE_KERNEL void tile_f32(const QGroupedTileArgs& args) {
  alignas(32) float sums[kMr * kNr];
  accumulate(args, sums);
  finish_grouped_tile(DType::F32, sums, args);
}

NIBBLE_KERNEL void tile_bf16(const QGroupedTileArgs& args) {
  alignas(32) float sums[kMr * kNr];
  accumulate(args, sums);
  finish_grouped_tile(DType::BF16, sums, args);
}

}  // namespace

const QGemmGroupedKernel qgemm_grouped_f32_4x16_avx2 = {
    "qgemm_grouped_f32_4x16_avx2", Isa::Avx2, DType::F32, kMr, kNr, panel_bytes, expand, tile_f32};
const QGemmGroupedKernel qgemm_grouped_bf16_4x16_avx2 = {
    "qgemm_grouped_bf16_4x16_avx2", Isa::Avx2, DType::BF16, kMr, kNr, panel_bytes, expand, tile_bf16};

}  // namespace nibble::kernels
