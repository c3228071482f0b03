// The kernels are written over the Vec of the first header.
// clang-format off
#include "kernels/simd/vec_avx2.h"
#include "kernels/softmax/softmax_impl.h"
// clang-format on

namespace nibble::kernels {

constexpr SoftmaxKernel softmax_f32_avx2 = Softmax<float>::kernel("softmax_f32_avx2", DType::F32);
constexpr SoftmaxKernel softmax_bf16_avx2 = Softmax<BFloat16>::kernel("softmax_bf16_avx2", DType::BF16);

}  // namespace nibble::kernels
