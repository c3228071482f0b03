// The kernels are written over the Vec of the first header.
// clang-format off
#include "kernels/simd/vec_neon.h"
#include "kernels/norm/norm_impl.h"
// clang-format on

namespace nibble::kernels {

constexpr NormKernel norm_f32_neon = Norm<float>::kernel("norm_f32_neon", DType::F32);
constexpr NormKernel norm_bf16_neon = Norm<BFloat16>::kernel("norm_bf16_neon", DType::BF16);

}  // namespace nibble::kernels
