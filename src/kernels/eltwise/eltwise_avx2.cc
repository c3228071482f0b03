// The kernels are written over the Vec of the first header.
// clang-format off
#include "kernels/simd/vec_avx2.h"
#include "kernels/eltwise/eltwise_impl.h"
// clang-format on

namespace nibble::kernels {

constexpr EltwiseKernel eltwise_f32_avx2 = Eltwise<float>::kernel("eltwise_f32_avx2", DType::F32);
constexpr EltwiseKernel eltwise_bf16_avx2 = Eltwise<BFloat16>::kernel("eltwise_bf16_avx2", DType::BF16);
constexpr CastKernel cast_avx2 = {"cast_avx2", kIsa, cast_arrays};

}  // namespace nibble::kernels
