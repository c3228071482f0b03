#include "kernels/attention/tiles_avx512.h"
// After the tiles.
#include "kernels/attention/attention_impl.h"

namespace nibble::kernels {

constexpr AttentionKernel attention_f32_avx512 = Attention<float>::kernel("attention_f32_avx512", DType::F32);
constexpr AttentionKernel attention_bf16_avx512 = Attention<BFloat16>::kernel("attention_bf16_avx512", DType::BF16);

}  // namespace nibble::kernels
