// Operands of the bf16 dot product. Include attention_impl.h before.
#pragma once

namespace nibble::kernels {
namespace {

// Pairs of bf16 in one word, low half first. Queries, keys and values are used as stored; weights are rounded to bf16,
// and their sum is that of the rounded weights, so a constant value stays what it is.
struct PairWords : FloatSums {
  static constexpr int64_t kPerWord = 2;
  static constexpr bool kScaledQueries = false;

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

  // In place: weight j of a row lies before score j.
  NIBBLE_INLINE Vec store_weights(float* row, int64_t j, Vec weights) {
    BFloat16* halves = reinterpret_cast<BFloat16*>(row) + j;
    store(halves, weights);
    return load(halves);
  }
};

}  // namespace
}  // namespace nibble::kernels
