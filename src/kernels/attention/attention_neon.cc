#include "kernels/simd/vec_neon.h"

namespace nibble::kernels {
namespace {

// 32 registers: 24 sums, a row of the panel, one broadcast.
constexpr int kStepPanel = 4, kMaxPanel = 4;
constexpr int kRowsOfPanel[] = {0, 12, 12, 8, 6};

}  // namespace
}  // namespace nibble::kernels

#include "kernels/attention/attention_impl.h"

namespace nibble::kernels {

constexpr AttentionKernel attention_f32_neon = Attention<float>::kernel("attention_f32_neon", DType::F32);
constexpr AttentionKernel attention_bf16_neon = Attention<BFloat16>::kernel("attention_bf16_neon", DType::BF16);

}  // namespace nibble::kernels
