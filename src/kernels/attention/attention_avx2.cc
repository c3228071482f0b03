#include "kernels/attention/tiles_avx2.h"
// After the tiles.
#include "kernels/attention/attention_impl.h"

namespace nibble::kernels {

constexpr AttentionKernel attention_f32_avx2 = Attention<float>::kernel("attention_f32_avx2", DType::F32);
constexpr AttentionKernel attention_bf16_avx2 = Attention<BFloat16>::kernel("attention_bf16_avx2", DType::BF16);

}  // namespace nibble::kernels
