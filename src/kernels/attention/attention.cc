#include "kernels/attention/attention_table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {

const AttentionKernel& select_attention(CpuMask mask, DType dtype) {
  static constexpr const AttentionKernel* kTable[] = {&kAttentionF32Scalar, &kAttentionBf16Scalar};
  return select_kernel(kTable, mask, dtype);
}

}  // namespace nibble::kernels
