// The kernels are written over the Vec of the first header.
// clang-format off
#include "kernels/simd/vec_avx2.h"
#include "kernels/resample/resample_impl.h"
// clang-format on

namespace nibble::kernels {

constexpr ResampleKernel resample_f32_avx2 = Resample<float>::kernel("resample_f32_avx2", DType::F32);
constexpr ResampleKernel resample_bf16_avx2 = Resample<BFloat16>::kernel("resample_bf16_avx2", DType::BF16);

}  // namespace nibble::kernels
