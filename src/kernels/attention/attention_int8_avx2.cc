// Codes as int16, two to a word: vpmaddwd multiplies exactly.
#include "kernels/attention/tiles_avx2.h"
// After the tiles.
#include "kernels/attention/int8_words.h"

namespace nibble::kernels {
namespace {

struct PairDot {
  static constexpr int64_t kPerWord = 2;
  static constexpr float kTop = 255.0f;
  static constexpr bool kUnsignedKeys = false;

  NIBBLE_INLINE __m256i bits(Vec x) { return _mm256_castps_si256(x.v); }

  static Vec combine(const Vec codes[2]) {
    const __m256i low = _mm256_and_si256(_mm256_cvtps_epi32(codes[0].v), _mm256_set1_epi32(0xffff));
    const __m256i high = _mm256_slli_epi32(_mm256_cvtps_epi32(codes[1].v), 16);
    return {_mm256_castsi256_ps(_mm256_or_si256(low, high))};
  }
  static Vec key_word(Vec word) { return word; }

  NIBBLE_INLINE Vec query_key(Vec x, Vec y, Vec sums) {
    return {_mm256_castsi256_ps(_mm256_add_epi32(bits(sums), _mm256_madd_epi16(bits(x), bits(y))))};
  }
  NIBBLE_INLINE Vec weight_value(Vec x, Vec y, Vec sums) { return query_key(x, y, sums); }

  NIBBLE_INLINE Vec exp2(Vec x) { return exp2_flushing(x); }
  NIBBLE_INLINE void put_weights(float* row, int64_t j, Vec codes) {
    const __m256i words = _mm256_cvtps_epi32(codes.v);
    const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(reinterpret_cast<int16_t*>(row) + j), halves);
  }
  NIBBLE_INLINE Vec to_float(Vec sums) { return {_mm256_cvtepi32_ps(bits(sums))}; }
};

}  // namespace
}  // namespace nibble::kernels

namespace nibble::kernels {

constexpr AttentionKernel attention_int8_f32_avx2 = Int8Forms<PairDot>::scores_f32("attention_int8_f32_avx2");
constexpr AttentionKernel attention_int8_bf16_avx2 = Int8Forms<PairDot>::scores_bf16("attention_int8_bf16_avx2");
constexpr AttentionKernel attention_int8_values_f32_avx2 =
    Int8Forms<PairDot>::all_f32("attention_int8_values_f32_avx2");
constexpr AttentionKernel attention_int8_values_bf16_avx2 =
    Int8Forms<PairDot>::all_bf16("attention_int8_values_bf16_avx2");

}  // namespace nibble::kernels
