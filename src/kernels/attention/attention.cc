#include "kernels/attention/table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {

const AttentionKernel& select_attention(CpuMask mask, DType dtype) {
  return select_kernel(kAttentionKernels, mask, dtype);
}

}  // namespace nibble::kernels
