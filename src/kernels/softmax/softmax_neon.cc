// The kernels are written over the Vec of the first header.
// clang-format off
#include "kernels/simd/vec_neon.h"
#include "kernels/softmax/softmax_impl.h"
// clang-format on

namespace nibble::kernels {

constexpr SoftmaxKernel softmax_f32_neon = Softmax<float>::kernel("softmax_f32_neon", DType::F32);
constexpr SoftmaxKernel softmax_bf16_neon = Softmax<BFloat16>::kernel("softmax_bf16_neon", DType::BF16);

}  // namespace nibble::kernels
