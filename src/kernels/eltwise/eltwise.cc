#include "kernels/eltwise/eltwise_table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {

const EltwiseKernel& select_eltwise(CpuMask mask, DType dtype) {
  static constexpr const EltwiseKernel* kTable[] = {&kEltwiseF32Scalar, &kEltwiseBf16Scalar};
  return select_kernel(kTable, mask, dtype);
}

const CastKernel& select_cast(CpuMask mask) { return kCastScalar; }

}  // namespace nibble::kernels
