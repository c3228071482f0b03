// The kernels are written over the Vec of the first header.
// clang-format off
#include "kernels/simd/vec_avx512.h"
// clang-format on

namespace nibble::kernels {
namespace {

// The second operand when the first is NaN.
NIBBLE_INLINE Vec larger(Vec a, Vec b) { return max(a, b); }
NIBBLE_INLINE Vec smaller(Vec a, Vec b) { return min(a, b); }

NIBBLE_INLINE void store_codes(int8_t* to, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v.v)));
}

}  // namespace
}  // namespace nibble::kernels

#include "kernels/quantize/quantize_impl.h"

namespace nibble::kernels {

constexpr QuantizeKernel quantize_f32_avx512 = Quantize<float>::kernel("quantize_f32_avx512", DType::F32);
constexpr QuantizeKernel quantize_bf16_avx512 = Quantize<BFloat16>::kernel("quantize_bf16_avx512", DType::BF16);

}  // namespace nibble::kernels
