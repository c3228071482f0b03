// Without byte dot products the codes are floats, whose sums stay exact below 2^24: the same scores, and no faster than
// the float form.
#include "kernels/attention/tiles_neon.h"
// After the tiles.
#include "kernels/attention/int8_words.h"

namespace nibble::kernels {
namespace {

struct FloatDot {
  static constexpr int64_t kPerWord = 1;
  static constexpr float kTop = 255.0f;
  static constexpr bool kUnsignedKeys = false;

  static Vec combine(const Vec codes[1]) { return codes[0]; }
  static Vec key_word(Vec word) { return word; }
  NIBBLE_INLINE Vec query_key(Vec x, Vec y, Vec sums) { return fma(x, y, sums); }
  NIBBLE_INLINE Vec weight_value(Vec x, Vec y, Vec sums) { return fma(x, y, sums); }
  NIBBLE_INLINE Vec exp2(Vec x) { return exp2_flushing(x); }
  NIBBLE_INLINE void put_weights(float* row, int64_t j, Vec codes) { store(row + j, codes); }
  NIBBLE_INLINE Vec to_float(Vec sums) { return sums; }
};

}  // namespace
}  // namespace nibble::kernels

namespace nibble::kernels {

constexpr AttentionKernel attention_int8_f32_neon = Int8Forms<FloatDot>::scores_f32("attention_int8_f32_neon");
constexpr AttentionKernel attention_int8_bf16_neon = Int8Forms<FloatDot>::scores_bf16("attention_int8_bf16_neon");
constexpr AttentionKernel attention_int8_values_f32_neon =
    Int8Forms<FloatDot>::all_f32("attention_int8_values_f32_neon");
constexpr AttentionKernel attention_int8_values_bf16_neon =
    Int8Forms<FloatDot>::all_bf16("attention_int8_values_bf16_neon");

}  // namespace nibble::kernels
