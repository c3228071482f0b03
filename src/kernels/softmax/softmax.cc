#include "kernels/simd/select.h"
#include "kernels/softmax/table.h"

namespace nibble::kernels {

const SoftmaxKernel& select_softmax(CpuMask mask, DType dtype) { return select_kernel(kSoftmaxKernels, mask, dtype); }

}  // namespace nibble::kernels
