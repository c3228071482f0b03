// The rows of kernels.inc, for the selector, the test and the benchmark, and what a kernel of this family is.
#pragma once

#include "kernels/qgemm_grouped/qgemm_grouped.h"
#include "kernels/simd_native.h"

namespace nibble::kernels {

// One tile. Scales of a: [taps][mr] pointers to the row's group scales. Weight scales [taps][groups][16] = r / 128, float,
// are expanded beside the panel: panel = codes, then scales.
struct QGroupedTileArgs {
  const void* const* rows;
  const float* const* row_scales;  // [taps][mr]
  int64_t taps, padded_k, group;   // group: of the weight
  const void* panel;
  const float* ratios;             // [taps][groups][16]
  int m_count, n_count;
  const float* w_scales;  // [16]
  const float* bias;
  const void* residual;
  int64_t residual_stride;
  void* c;
  int64_t c_stride;
  int64_t rank;
  const float* h;
  const BFloat16* up;
};

struct QGemmGroupedKernel {
  const char* name;
  Isa isa;
  DType dtype;
  int mr, nr;  // nr 16
  size_t (*panel_bytes)(int64_t taps, int64_t padded_k);
  void (*expand)(const QuantWeightView& weight, int64_t panel, void* out);  // codes only
  void (*tile)(const QGroupedTileArgs& args);
};

#define X(name) extern const QGemmGroupedKernel name;
#include "kernels/qgemm_grouped/kernels.inc"
#undef X

inline constexpr const QGemmGroupedKernel* kQGemmGroupedKernels[] = {
#define X(name) &name,
#include "kernels/qgemm_grouped/kernels.inc"
#undef X
};

}  // namespace nibble::kernels
