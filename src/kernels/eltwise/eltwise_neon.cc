// The kernels are written over the Vec of the first header.
// clang-format off
#include "kernels/simd/vec_neon.h"
#include "kernels/eltwise/eltwise_impl.h"
// clang-format on

namespace nibble::kernels {

constexpr EltwiseKernel eltwise_f32_neon = Eltwise<float>::kernel("eltwise_f32_neon", DType::F32);
constexpr EltwiseKernel eltwise_bf16_neon = Eltwise<BFloat16>::kernel("eltwise_bf16_neon", DType::BF16);
constexpr CastKernel cast_neon = {"cast_neon", kIsa, cast_arrays};

}  // namespace nibble::kernels
