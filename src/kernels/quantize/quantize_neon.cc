// The kernels are written over the Vec of the first header.
// clang-format off
#include "kernels/simd/vec_neon.h"
// clang-format on

namespace nibble::kernels {
namespace {

// The second operand when the first is NaN.
NIBBLE_INLINE Vec larger(Vec a, Vec b) { return {vbslq_f32(vcgtq_f32(a.v, b.v), a.v, b.v)}; }
NIBBLE_INLINE Vec smaller(Vec a, Vec b) { return {vbslq_f32(vcltq_f32(a.v, b.v), a.v, b.v)}; }

NIBBLE_INLINE void store_codes(int8_t* to, Vec v) {
  const int16x4_t halves = vqmovn_s32(vcvtnq_s32_f32(v.v));
  const int8x8_t bytes = vqmovn_s16(vcombine_s16(halves, halves));
  vst1_lane_s32(reinterpret_cast<int32_t*>(to), vreinterpret_s32_s8(bytes), 0);
}

using CodeBlocks = void;

}  // namespace
}  // namespace nibble::kernels

#include "kernels/quantize/quantize_impl.h"

namespace nibble::kernels {

constexpr QuantizeKernel quantize_f32_neon = Quantize<float>::kernel("quantize_f32_neon", DType::F32);
constexpr QuantizeKernel quantize_bf16_neon = Quantize<BFloat16>::kernel("quantize_bf16_neon", DType::BF16);

}  // namespace nibble::kernels
