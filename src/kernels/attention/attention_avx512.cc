#include "kernels/simd/vec_avx512.h"

namespace nibble::kernels {
namespace {

// 32 registers: 24 sums, a row of the panel, one broadcast.
constexpr int kStepPanel = 2, kMaxPanel = 3;
constexpr int kRowsOfPanel[] = {0, 12, 12, 8};

}  // namespace
}  // namespace nibble::kernels

#include "kernels/attention/attention_impl.h"

namespace nibble::kernels {

constexpr AttentionKernel attention_f32_avx512 = Attention<float>::kernel("attention_f32_avx512", DType::F32);
constexpr AttentionKernel attention_bf16_avx512 = Attention<BFloat16>::kernel("attention_bf16_avx512", DType::BF16);

}  // namespace nibble::kernels
