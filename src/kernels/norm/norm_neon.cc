#include "kernels/simd/vec_neon.h"

#include "kernels/norm/norm_impl.h"

namespace nibble::kernels {

constexpr NormKernel norm_f32_neon = Norm<float>::kernel("norm_f32_neon", DType::F32);
constexpr NormKernel norm_bf16_neon = Norm<BFloat16>::kernel("norm_bf16_neon", DType::BF16);

}  // namespace nibble::kernels
