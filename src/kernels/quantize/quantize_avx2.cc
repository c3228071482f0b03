// The kernels are written over the Vec of the first header.
// clang-format off
#include "kernels/simd/vec_avx2.h"
// clang-format on

namespace nibble::kernels {
namespace {

// The second operand when the first is NaN.
NIBBLE_INLINE Vec larger(Vec a, Vec b) { return max(a, b); }
NIBBLE_INLINE Vec smaller(Vec a, Vec b) { return min(a, b); }

NIBBLE_INLINE void store_codes(int8_t* to, Vec v) {
  const __m256i words = _mm256_cvtps_epi32(v.v);
  const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packs_epi16(halves, halves));
}

using CodeBlocks = void;

}  // namespace
}  // namespace nibble::kernels

#include "kernels/quantize/quantize_impl.h"

namespace nibble::kernels {

constexpr QuantizeKernel quantize_f32_avx2 = Quantize<float>::kernel("quantize_f32_avx2", DType::F32);
constexpr QuantizeKernel quantize_bf16_avx2 = Quantize<BFloat16>::kernel("quantize_bf16_avx2", DType::BF16);

}  // namespace nibble::kernels
