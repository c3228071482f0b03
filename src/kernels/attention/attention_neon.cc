#include "kernels/attention/tiles_neon.h"
// After the tiles.
#include "kernels/attention/attention_impl.h"

namespace nibble::kernels {

constexpr AttentionKernel attention_f32_neon = Attention<float>::kernel("attention_f32_neon", DType::F32);
constexpr AttentionKernel attention_bf16_neon = Attention<BFloat16>::kernel("attention_bf16_neon", DType::BF16);

}  // namespace nibble::kernels
