// The Dot of AVX-512 VNNI; operands as in attention_int8_avxvnni.cc.
#pragma once

#include "kernels/attention/tiles_avx512.h"

namespace nibble::kernels {
namespace {

struct QuadDot {
  static constexpr int64_t kPerWord = 4;
  static constexpr float kTop = 255.0f;
  static constexpr bool kUnsignedKeys = true;

  NIBBLE_INLINE __m512i bits(Vec x) { return _mm512_castps_si512(x.v); }
  NIBBLE_INLINE __m512i byte(Vec code) { return _mm512_and_si512(_mm512_cvtps_epi32(code.v), _mm512_set1_epi32(255)); }

  static Vec combine(const Vec codes[4]) {
    const __m512i low = _mm512_or_si512(byte(codes[0]), _mm512_slli_epi32(byte(codes[1]), 8));
    const __m512i high = _mm512_or_si512(byte(codes[2]), _mm512_slli_epi32(byte(codes[3]), 8));
    return {_mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)))};
  }
  static Vec key_word(Vec word) {
    return {_mm512_castsi512_ps(_mm512_xor_si512(bits(word), _mm512_set1_epi8(static_cast<char>(-128))))};
  }

  NIBBLE_INLINE Vec query_key(Vec query, Vec keys, Vec sums) { return weight_value(keys, query, sums); }
  NIBBLE_INLINE Vec weight_value(Vec weight, Vec values, Vec sums) {
    return {_mm512_castsi512_ps(_mm512_dpbusd_epi32(bits(sums), bits(weight), bits(values)))};
  }

  NIBBLE_INLINE Vec exp2(Vec x) { return exp2_coarse(x); }
  NIBBLE_INLINE void put_weights(float* row, int64_t j, Vec codes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(reinterpret_cast<uint8_t*>(row) + j),
                     _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(codes.v)));
  }
  NIBBLE_INLINE Vec to_float(Vec sums) { return {_mm512_cvtepi32_ps(bits(sums))}; }
};

}  // namespace
}  // namespace nibble::kernels
