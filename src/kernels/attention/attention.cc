#include "kernels/attention/table.h"

namespace nibble::kernels {

const AttentionKernel& select_attention(CpuMask mask, DType dtype, AttentionForm form) {
  const AttentionKernel* last = nullptr;
  for (const AttentionKernel* kernel : kAttentionKernels) {
    if (kernel->dtype != dtype || kernel->form != form) continue;
    if (mask.has(kernel->isa)) return *kernel;
    last = kernel;
  }
  return *last;
}

}  // namespace nibble::kernels
