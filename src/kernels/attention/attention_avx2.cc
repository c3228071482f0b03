#include "kernels/simd/vec_avx2.h"

namespace nibble::kernels {
namespace {

// 16 registers: 12 sums, a row of the panel, one broadcast.
constexpr int kStepPanel = 2, kMaxPanel = 3;
constexpr int kRowsOfPanel[] = {0, 8, 6, 4};

}  // namespace
}  // namespace nibble::kernels

#include "kernels/attention/attention_impl.h"

namespace nibble::kernels {

constexpr AttentionKernel attention_f32_avx2 = Attention<float>::kernel("attention_f32_avx2", DType::F32);
constexpr AttentionKernel attention_bf16_avx2 = Attention<BFloat16>::kernel("attention_bf16_avx2", DType::BF16);

}  // namespace nibble::kernels
