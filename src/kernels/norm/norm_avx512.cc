// The kernels are written over the Vec of the first header.
// clang-format off
#include "kernels/simd/vec_avx512.h"
#include "kernels/norm/norm_impl.h"
// clang-format on

namespace nibble::kernels {

constexpr NormKernel norm_f32_avx512 = Norm<float>::kernel("norm_f32_avx512", DType::F32);
constexpr NormKernel norm_bf16_avx512 = Norm<BFloat16>::kernel("norm_bf16_avx512", DType::BF16);

}  // namespace nibble::kernels
