// The AVX-512 kernel with the instruction that rounds to bf16.
// clang-format off
#include "kernels/simd/vec_avx512.h"
#include "kernels/eltwise/eltwise_impl.h"
// clang-format on

namespace nibble::kernels {

constexpr EltwiseKernel eltwise_bf16_avx512bf16 = Eltwise<BFloat16>::kernel("eltwise_bf16_avx512bf16", DType::BF16, Isa::Avx512Bf16);

}  // namespace nibble::kernels
