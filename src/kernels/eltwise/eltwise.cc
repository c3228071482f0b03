#include "kernels/eltwise/table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {

const EltwiseKernel& select_eltwise(CpuMask mask, DType dtype) { return select_kernel(kEltwiseKernels, mask, dtype); }

const CastKernel& select_cast(CpuMask mask) {
  for (const CastKernel* kernel : kCastKernels)
    if (mask.has(kernel->isa)) return *kernel;
  return cast_scalar;
}

}  // namespace nibble::kernels
