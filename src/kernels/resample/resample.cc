#include "kernels/resample/table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {

const ResampleKernel& select_resample(CpuMask mask, DType dtype) {
  return select_kernel(kResampleKernels, mask, dtype);
}

}  // namespace nibble::kernels
