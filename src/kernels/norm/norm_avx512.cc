#include "kernels/simd/vec_avx512.h"

#include "kernels/norm/norm_impl.h"

namespace nibble::kernels {

constexpr NormKernel norm_f32_avx512 = Norm<float>::kernel("norm_f32_avx512", DType::F32);
constexpr NormKernel norm_bf16_avx512 = Norm<BFloat16>::kernel("norm_bf16_avx512", DType::BF16);

}  // namespace nibble::kernels
