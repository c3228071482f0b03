#include "kernels/softmax/softmax_table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {

const SoftmaxKernel& select_softmax(CpuMask mask, DType dtype) {
  static constexpr const SoftmaxKernel* kTable[] = {&kSoftmaxF32Scalar, &kSoftmaxBf16Scalar};
  return select_kernel(kTable, mask, dtype);
}

}  // namespace nibble::kernels
