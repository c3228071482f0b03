// The AVX-512 kernel with the instruction that rounds to bf16.
// clang-format off
#include "kernels/simd/vec_avx512.h"
#include "kernels/norm/norm_impl.h"
// clang-format on

namespace nibble::kernels {

constexpr NormKernel norm_bf16_avx512bf16 = Norm<BFloat16>::kernel("norm_bf16_avx512bf16", DType::BF16, Isa::Avx512Bf16);

}  // namespace nibble::kernels
