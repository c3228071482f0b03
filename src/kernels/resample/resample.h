// Enlarging and shrinking of one NHWC image [in_h, in_w, channels] -> [out_h, out_w, channels], as torch's interpolate
// computes it (align_corners = false, no antialiasing).
//   nearest:  source = floor(i * in / out)
//   bilinear: source = max(0, (i + 0.5) * in / out - 0.5), blended with its right and lower neighbour
#pragma once

#include <cstdint>

#include "base/cpu.h"
#include "tensor/dtype.h"

namespace nibble::kernels {

struct ResampleShape {
  int64_t in_h, in_w, out_h, out_w, channels;
};

struct ResampleKernel {
  const char* name;  // "resample_f32_avx2"
  Isa isa;
  DType dtype;  // of x and y: F32 or BF16

  // Output rows [row_begin, row_end); x and y are the whole images. Any split gives bit-identical results.
  void (*nearest)(const ResampleShape& shape, const void* x, void* y, int64_t row_begin, int64_t row_end);
  void (*bilinear)(const ResampleShape& shape, const void* x, void* y, int64_t row_begin, int64_t row_end);
};

// Best kernel of the mask for F32 or BF16; never null.
const ResampleKernel& select_resample(CpuMask mask, DType dtype);

}  // namespace nibble::kernels
