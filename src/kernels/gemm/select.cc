#include "base/check.h"
#include "kernels/gemm/table.h"

namespace nibble::kernels {

const GemmKernel& select_gemm(CpuMask mask, DType dtype) {
  for (const GemmKernel* kernel : kGemmKernels)
    if (kernel->dtype == dtype && (mask.has(kernel->isa) || kernel->isa == Isa::Scalar)) return *kernel;
  fail(ErrorCode::Internal, "matrix product: want f32 or bf16 activations found {}", to_string(dtype));
}

}  // namespace nibble::kernels
