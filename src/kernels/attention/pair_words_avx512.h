// Operands of the bf16 dot product. Include attention_impl.h before.
#pragma once

namespace nibble::kernels {
namespace {

// Pairs of bf16 in one word, low half first. Queries, keys and values are used as stored; weights are rounded to bf16,
// and their sum is that of the rounded weights, so a constant value stays what it is.
struct PairWords : FloatSums {
  static constexpr int64_t kPerWord = 2;
  static constexpr bool kScaledQueries = false;
  static constexpr bool kWholeRows = true;

  NIBBLE_INLINE Vec broadcast(const float* word) { return set(*word); }
  NIBBLE_INLINE Vec multiply_add(Vec a, Vec b, Vec sum) {
    return {_mm512_dpbf16_ps(sum.v, (__m512bh)_mm512_castps_si512(a.v), (__m512bh)_mm512_castps_si512(b.v))};
  }

  static Vec load_row(const BFloat16* x, int64_t w, int64_t d) {
    x += 2 * w;
    if (const int64_t rest = d - 2 * w; rest < 2 * kWidth) {
      BFloat16 lanes[2 * kWidth] = {};
      for (int64_t i = 0; i < rest; ++i) lanes[i] = x[i];
      return {_mm512_castsi512_ps(_mm512_loadu_si512(lanes))};
    }
    return {_mm512_castsi512_ps(_mm512_loadu_si512(x))};
  }

  static __m512i bits(const BFloat16* x, int64_t c, int64_t d) {
    if (x == nullptr) return _mm512_setzero_si512();
    return _mm512_castps_si512((c + kWidth <= d ? load(x + c) : load_part(x + c, d - c)).v);
  }

  static Vec load_tokens(const BFloat16* const tokens[2], int64_t c, int64_t d) {
    const __m512i low = _mm512_srli_epi32(bits(tokens[0], c, d), 16);
    return {_mm512_castsi512_ps(_mm512_or_si512(bits(tokens[1], c, d), low))};
  }

  // In place: weight j of a row lies before score j. Two vectors of weights become one of pairs, which its dot product with ones sums.
  static Vec weigh(float* row, int64_t padded, float scale, float top) {
    const Vec factor = set(scale), start = set(-top);
    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
    BFloat16* halves = reinterpret_cast<BFloat16*>(row);
    __m512 total = _mm512_setzero_ps();
    int64_t j = 0;
    for (; j + 2 * kWidth <= padded; j += 2 * kWidth) {
      const Vec low = exp2_coarse(fma(load(row + j), factor, start)), high = exp2_coarse(fma(load(row + j + kWidth), factor, start));
      const __m512bh pairs = _mm512_cvtne2ps_pbh(high.v, low.v);
      _mm512_storeu_si512(halves + j, (__m512i)pairs);
      total = _mm512_dpbf16_ps(total, pairs, ones);
    }
    if (j < padded) {
      const __m512bh pairs = _mm512_cvtne2ps_pbh(_mm512_setzero_ps(), exp2_coarse(fma(load(row + j), factor, start)).v);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(halves + j), _mm512_castsi512_si256((__m512i)pairs));
      total = _mm512_dpbf16_ps(total, pairs, ones);
    }
    return {total};
  }
};

}  // namespace
}  // namespace nibble::kernels
