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

// Saturating packs do most of the clamping: NaN and -infinity become the least integer, then -128 and -127.
struct CodeBlocks {
  static constexpr int64_t kVectors = 4;
  __m512i positive = _mm512_setzero_si512();  // sums of eight codes + 128, less the 128 in total()
  int64_t count = 0;

  NIBBLE_INLINE __m512i rounded(Vec v) { return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_set1_ps(127.0f), v.v)); }

  void store(int8_t* to, const Vec v[4]) {
    const __m512i low = _mm512_packs_epi32(rounded(v[0]), rounded(v[1])), high = _mm512_packs_epi32(rounded(v[2]), rounded(v[3]));
    const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high));
    const __m512i codes = _mm512_max_epi8(bytes, _mm512_set1_epi8(-127));
    _mm512_storeu_si512(to, codes);
    const __m512i above = _mm512_xor_si512(codes, _mm512_set1_epi8(static_cast<char>(-128)));
    positive = _mm512_add_epi64(positive, _mm512_sad_epu8(above, _mm512_setzero_si512()));
    count += 64;
  }
  int32_t total() const { return static_cast<int32_t>(_mm512_reduce_add_epi64(positive) - 128 * count); }
};

}  // namespace
}  // namespace nibble::kernels

#include "kernels/quantize/quantize_impl.h"

namespace nibble::kernels {

constexpr QuantizeKernel quantize_f32_avx512 = Quantize<float>::kernel("quantize_f32_avx512", DType::F32);
constexpr QuantizeKernel quantize_bf16_avx512 = Quantize<BFloat16>::kernel("quantize_bf16_avx512", DType::BF16);

}  // namespace nibble::kernels
