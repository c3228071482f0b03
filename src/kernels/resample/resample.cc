#include "kernels/resample/resample_table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {

const ResampleKernel& select_resample(CpuMask mask, DType dtype) {
  static constexpr const ResampleKernel* kTable[] = {&kResampleF32Scalar, &kResampleBf16Scalar};
  return select_kernel(kTable, mask, dtype);
}

}  // namespace nibble::kernels
