// 6 rows x 16 columns in 12 accumulators of int32. Codes become int16, two k to a lane: vpmaddwd multiplies exactly, at the same
// rate as the byte product with its sign and widening steps, and needs neither. Panel: int16 [taps][padded_k / 2][16][2].
#include "kernels/simd/vec_avx2.h"
// After the vectors.
#include "kernels/qgemm/finish_impl.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 6, kNr = 16;

size_t panel_bytes(int64_t taps, int64_t padded_k) { return static_cast<size_t>(taps * padded_k * kNr) * sizeof(int16_t); }
size_t expanded_bytes(int64_t padded_k) { return static_cast<size_t>(padded_k) * sizeof(int16_t); }

NIBBLE_KERNEL void expand_row(const int8_t* row, int64_t padded_k, void* out) {
  for (int64_t k = 0; k < padded_k; k += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + k));
    _mm256_store_si256(reinterpret_cast<__m256i*>(static_cast<int16_t*>(out) + k), _mm256_cvtepi8_epi16(bytes));
  }
}

// Eight channels with four codes each -> two vectors of eight channels with two.
NIBBLE_INLINE void split_quads(__m128i low, __m128i high, __m256i out[2]) {
  const __m256 a = _mm256_castsi256_ps(_mm256_cvtepi8_epi16(low)), b = _mm256_castsi256_ps(_mm256_cvtepi8_epi16(high));
  out[0] = _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)), 0xd8);
  out[1] = _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd)), 0xd8);
}

NIBBLE_INLINE __m256i panel_codes(__m256i q, __m256i ratio) {
  return _mm256_srai_epi16(_mm256_add_epi16(_mm256_mullo_epi16(q, ratio), _mm256_set1_epi16(64)), 7);
}

NIBBLE_INLINE void put(int16_t* to, __m256i v) { _mm256_store_si256(reinterpret_cast<__m256i*>(to), v); }

// One block of sixteen channels with four codes each, as bytes at `from`, to int16 [2][16][2].
NIBBLE_INLINE void expand_quads(const __m128i quarters[4], bool scaled, const __m256i ratios[2], int16_t* to) {
  for (int half = 0; half < 2; ++half) {
    __m256i pairs[2];
    split_quads(quarters[2 * half], quarters[2 * half + 1], pairs);
    for (int i = 0; i < 2; ++i) put(to + i * 32 + half * 16, scaled ? panel_codes(pairs[i], ratios[half]) : pairs[i]);
  }
}

NIBBLE_INLINE __m128i at(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

NIBBLE_INLINE void expand_int8(const QuantShape& s, const uint8_t* codes, int16_t* to) {
  const __m256i none[2] = {};
  for (int64_t block = 0; block < s.taps * s.padded_k() / 4; ++block, codes += 64, to += 64) {
    const __m128i quarters[4] = {at(codes), at(codes + 16), at(codes + 32), at(codes + 48)};
    expand_quads(quarters, false, none, to);
  }
}

NIBBLE_INLINE void expand_int4(const QuantShape& s, const uint8_t* codes, const int16_t* ratios, int16_t* to) {
  const int64_t groups = s.groups(), padded_k = s.padded_k();
  const __m128i low = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
  for (int64_t tap = 0; tap < s.taps; ++tap, ratios += groups * 16)
    for (int64_t k = 0; k < padded_k; k += 8, codes += 64, to += 128) {
      __m256i r[2];
      for (int half = 0; half < 2; ++half) {
        const __m256i wide = _mm256_cvtepu16_epi32(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(ratios + k / s.group * 16 + half * 8)));
        r[half] = _mm256_or_si256(wide, _mm256_slli_epi32(wide, 16));
      }
      __m128i first[4], second[4];
      for (int i = 0; i < 4; ++i) {
        const __m128i bytes = at(codes + 16 * i);
        first[i] = _mm_sub_epi8(_mm_and_si128(bytes, low), eight);
        second[i] = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(bytes, 4), low), eight);
      }
      expand_quads(first, true, r, to);
      expand_quads(second, true, r, to + 64);
    }
}

NIBBLE_KERNEL void expand(const QuantWeightView& w, int64_t first, void* panel) {
  const QuantShape& s = w.shape;
  const uint8_t* codes = w.codes + first * s.panel_bytes();
  if (s.kind == WeightKind::Int8) return expand_int8(s, codes, static_cast<int16_t*>(panel));
  expand_int4(s, codes, w.ratios + first * s.taps * s.groups() * kPanelChannels, static_cast<int16_t*>(panel));
}

NIBBLE_INLINE void accumulate(const QTileArgs& args, int32_t* out) {
  __m256i acc[kMr][2];
#pragma GCC unroll 6
  for (int i = 0; i < kMr; ++i) acc[i][0] = acc[i][1] = _mm256_setzero_si256();
  const int16_t* b = static_cast<const int16_t*>(args.panel);
  const void* const* rows = args.rows;
  const int64_t pairs = args.padded_k / 2;
  for (int64_t tap = 0; tap < args.taps; ++tap, rows += kMr) {
    const int32_t* a[kMr];
#pragma GCC unroll 6
    for (int i = 0; i < kMr; ++i) a[i] = static_cast<const int32_t*>(rows[i]);
    for (int64_t k = 0; k < pairs; ++k, b += 32) {
      const __m256i b0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(b));
      const __m256i b1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(b + 16));
#pragma GCC unroll 6
      for (int i = 0; i < kMr; ++i) {
        const __m256i x = _mm256_set1_epi32(a[i][k]);
        acc[i][0] = _mm256_add_epi32(acc[i][0], _mm256_madd_epi16(x, b0));
        acc[i][1] = _mm256_add_epi32(acc[i][1], _mm256_madd_epi16(x, b1));
      }
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kMr; ++i) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + i * kNr), acc[i][0]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + i * kNr + 8), acc[i][1]);
  }
}

NIBBLE_KERNEL void tile_f32(const QTileArgs& args) {
  alignas(32) int32_t sums[kMr * kNr];
  accumulate(args, sums);
  finish_tile<float, kMr, kNr>(DType::F32, sums, args);
}

NIBBLE_KERNEL void tile_bf16(const QTileArgs& args) {
  alignas(32) int32_t sums[kMr * kNr];
  accumulate(args, sums);
  finish_tile<BFloat16, kMr, kNr>(DType::BF16, sums, args);
}

}  // namespace

const QGemmKernel qgemm_f32_6x16_avx2 = {"qgemm_f32_6x16_avx2", Isa::Avx2, DType::F32, kMr,        kNr,           panel_bytes,
                                         expand,                tile_f32,  expand_row, expanded_bytes, false};
const QGemmKernel qgemm_bf16_6x16_avx2 = {"qgemm_bf16_6x16_avx2", Isa::Avx2, DType::BF16, kMr,        kNr,           panel_bytes,
                                          expand,                 tile_bf16, expand_row,  expanded_bytes, false};

}  // namespace nibble::kernels
