// The kernels are written over the Vec of the first header.
// clang-format off
#include "kernels/simd/vec_avx512.h"
#include "kernels/resample/resample_impl.h"
// clang-format on

namespace nibble::kernels {

constexpr ResampleKernel resample_f32_avx512 = Resample<float>::kernel("resample_f32_avx512", DType::F32);
constexpr ResampleKernel resample_bf16_avx512 = Resample<BFloat16>::kernel("resample_bf16_avx512", DType::BF16);

}  // namespace nibble::kernels
