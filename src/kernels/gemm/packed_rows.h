// Products of few rows at a time with a narrow weight that is packed once: a pass that has just made some rows
// multiplies them while they are in the cache. Bit-identical to run_gemm over all rows.
#pragma once

#include "kernels/gemm/gemm.h"

namespace nibble::kernels {

size_t packed_bytes(const GemmKernel& kernel, int64_t n, int64_t k);
// The panel of output channels [panel · nr, (panel + 1) · nr) into its place in `packed`, 64-byte aligned; n = 0..n-1
// in all.
void pack_panel(const GemmKernel& kernel, const WeightView& weight, int64_t n, int64_t k, int64_t panel, void* packed);
int64_t packed_panels(const GemmKernel& kernel, int64_t n);

// Scratch of one thread for multiply_packed, 64-byte aligned.
size_t packed_scratch_bytes(const GemmKernel& kernel, int64_t k);
// c[count, n] = rows[count, k] · weightᵀ; rows dense, c dense, both of the kernel's type.
void multiply_packed(const GemmKernel& kernel, const void* packed, int64_t n, int64_t k, const void* rows,
                     int64_t count, void* c, void* scratch);

}  // namespace nibble::kernels
