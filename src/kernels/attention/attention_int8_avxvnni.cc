// Codes as bytes, four to a word: vpdpbusd multiplies unsigned with signed ones, so keys are code + 128 and 128 times
// the sum of a query's codes is taken off its scores; weights are unsigned by themselves.
#include "kernels/attention/tiles_avx2.h"
// After the tiles.
#include "kernels/attention/int8_words.h"

namespace nibble::kernels {
namespace {

struct QuadDot {
  static constexpr int64_t kPerWord = 4;
  static constexpr float kTop = 255.0f;
  static constexpr bool kUnsignedKeys = true;

  NIBBLE_INLINE __m256i bits(Vec x) { return _mm256_castps_si256(x.v); }
  NIBBLE_INLINE __m256i byte(Vec code) { return _mm256_and_si256(_mm256_cvtps_epi32(code.v), _mm256_set1_epi32(255)); }

  static Vec combine(const Vec codes[4]) {
    const __m256i low = _mm256_or_si256(byte(codes[0]), _mm256_slli_epi32(byte(codes[1]), 8));
    const __m256i high = _mm256_or_si256(byte(codes[2]), _mm256_slli_epi32(byte(codes[3]), 8));
    return {_mm256_castsi256_ps(_mm256_or_si256(low, _mm256_slli_epi32(high, 16)))};
  }
  static Vec key_word(Vec word) {
    return {_mm256_castsi256_ps(_mm256_xor_si256(bits(word), _mm256_set1_epi8(static_cast<char>(-128))))};
  }

  NIBBLE_INLINE Vec query_key(Vec query, Vec keys, Vec sums) { return weight_value(keys, query, sums); }
  NIBBLE_INLINE Vec weight_value(Vec weight, Vec values, Vec sums) {
    return {_mm256_castsi256_ps(_mm256_dpbusd_avx_epi32(bits(sums), bits(weight), bits(values)))};
  }

  NIBBLE_INLINE Vec exp2(Vec x) { return exp2_flushing(x); }
  NIBBLE_INLINE void put_weights(float* row, int64_t j, Vec codes) {
    const __m256i words = _mm256_cvtps_epi32(codes.v);
    const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(reinterpret_cast<uint8_t*>(row) + j), _mm_packus_epi16(halves, halves));
  }
  NIBBLE_INLINE Vec to_float(Vec sums) { return {_mm256_cvtepi32_ps(bits(sums))}; }
};

}  // namespace
}  // namespace nibble::kernels

namespace nibble::kernels {

constexpr AttentionKernel attention_int8_f32_avxvnni =
    Int8Forms<QuadDot>::scores_f32("attention_int8_f32_avxvnni", Isa::AvxVnni);
constexpr AttentionKernel attention_int8_bf16_avxvnni =
    Int8Forms<QuadDot>::scores_bf16("attention_int8_bf16_avxvnni", Isa::AvxVnni);
constexpr AttentionKernel attention_int8_values_f32_avxvnni =
    Int8Forms<QuadDot>::all_f32("attention_int8_values_f32_avxvnni", Isa::AvxVnni);
constexpr AttentionKernel attention_int8_values_bf16_avxvnni =
    Int8Forms<QuadDot>::all_bf16("attention_int8_values_bf16_avxvnni", Isa::AvxVnni);

}  // namespace nibble::kernels
