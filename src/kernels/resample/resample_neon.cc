// The kernels are written over the Vec of the first header.
// clang-format off
#include "kernels/simd/vec_neon.h"
#include "kernels/resample/resample_impl.h"
// clang-format on

namespace nibble::kernels {

constexpr ResampleKernel resample_f32_neon = Resample<float>::kernel("resample_f32_neon", DType::F32);
constexpr ResampleKernel resample_bf16_neon = Resample<BFloat16>::kernel("resample_bf16_neon", DType::BF16);

}  // namespace nibble::kernels
