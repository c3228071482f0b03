#include "kernels/quantize/quantize.h"

#include "kernels/quantize/table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {

const QuantizeKernel& select_quantize(CpuMask mask, DType dtype) { return select_kernel(kQuantizeKernels, mask, dtype); }

}  // namespace nibble::kernels
