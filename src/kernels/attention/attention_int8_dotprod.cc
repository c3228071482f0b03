// Codes as bytes, four to a word. sdot is signed on both sides, so weights have 127 steps.
#include "kernels/attention/tiles_neon.h"
// After the tiles.
#include "kernels/attention/int8_words.h"

namespace nibble::kernels {
namespace {

struct QuadDot {
  static constexpr int64_t kPerWord = 4;
  static constexpr float kTop = 127.0f;
  static constexpr bool kUnsignedKeys = false;

  NIBBLE_INLINE int8x16_t bytes(Vec x) { return vreinterpretq_s8_f32(x.v); }
  NIBBLE_INLINE uint32x4_t byte(Vec code) {
    return vandq_u32(vreinterpretq_u32_s32(vcvtnq_s32_f32(code.v)), vdupq_n_u32(255));
  }

  static Vec combine(const Vec codes[4]) {
    const uint32x4_t low = vorrq_u32(byte(codes[0]), vshlq_n_u32(byte(codes[1]), 8));
    const uint32x4_t high = vorrq_u32(byte(codes[2]), vshlq_n_u32(byte(codes[3]), 8));
    return {vreinterpretq_f32_u32(vorrq_u32(low, vshlq_n_u32(high, 16)))};
  }
  static Vec key_word(Vec word) { return word; }

  NIBBLE_INLINE Vec query_key(Vec x, Vec y, Vec sums) {
    return {vreinterpretq_f32_s32(vdotq_s32(vreinterpretq_s32_f32(sums.v), bytes(x), bytes(y)))};
  }
  NIBBLE_INLINE Vec weight_value(Vec x, Vec y, Vec sums) { return query_key(x, y, sums); }

  NIBBLE_INLINE Vec exp2(Vec x) { return exp2_flushing(x); }
  NIBBLE_INLINE void put_weights(float* row, int64_t j, Vec codes) {
    const int16x4_t halves = vqmovn_s32(vcvtnq_s32_f32(codes.v));
    const int8x8_t narrow = vqmovn_s16(vcombine_s16(halves, halves));
    vst1_lane_s32(reinterpret_cast<int32_t*>(reinterpret_cast<int8_t*>(row) + j), vreinterpret_s32_s8(narrow), 0);
  }
  NIBBLE_INLINE Vec to_float(Vec sums) { return {vcvtq_f32_s32(vreinterpretq_s32_f32(sums.v))}; }
};

}  // namespace
}  // namespace nibble::kernels

namespace nibble::kernels {

constexpr AttentionKernel attention_int8_f32_dotprod =
    Int8Forms<QuadDot>::scores_f32("attention_int8_f32_dotprod", Isa::DotProd);
constexpr AttentionKernel attention_int8_bf16_dotprod =
    Int8Forms<QuadDot>::scores_bf16("attention_int8_bf16_dotprod", Isa::DotProd);
constexpr AttentionKernel attention_int8_values_f32_dotprod =
    Int8Forms<QuadDot>::all_f32("attention_int8_values_f32_dotprod", Isa::DotProd);
constexpr AttentionKernel attention_int8_values_bf16_dotprod =
    Int8Forms<QuadDot>::all_bf16("attention_int8_values_bf16_dotprod", Isa::DotProd);

}  // namespace nibble::kernels
