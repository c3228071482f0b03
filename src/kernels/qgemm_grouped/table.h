// The rows of kernels.inc, for the selector, the test and the benchmark, and what a kernel of this family is.
#pragma once

#include "kernels/qgemm_grouped/qgemm_grouped.h"
#include "kernels/simd_native.h"

namespace nibble::kernels {

// One tile of mr rows x nr columns. A step is what one pair of scales covers: 32 or 64 codes along k, the last perhaps fewer.
struct QGroupedTileArgs {
  const void* const* rows;       // [taps][mr], rows past m_count repeat
  const float* const* scales;    // [taps][mr] the row's scales, one for every 1 << scale_shift steps
  const int32_t* const* starts;  // [taps][mr] the row's -8 · sum of codes, one a step, where the kernel wants sums
  int64_t taps, padded_k, step, steps, groups;
  int scale_shift, ratio_shift;  // 1 where two steps share a scale (steps of 32) or a ratio (weight groups of 128), otherwise 0
  const void* panel;
  const float* ratios;         // [taps][groups][nr] = r / 128
  int m_count, n_count;
  const float* w_scales;  // [nr]
  const float* bias;
  const void* residual;
  int64_t residual_stride;
  void* c;
  int64_t c_stride;
  int64_t rank;
  const float* h;
  const BFloat16* up;  // [nr / 16][rank][16]
};

struct QGemmGroupedKernel {
  const char* name;
  Isa isa;
  DType dtype;
  int mr, nr;  // nr a multiple of 16
  size_t (*panel_bytes)(int64_t taps, int64_t padded_k);
  // The codes of the nr / 16 stored panels from `first` on; those that the weight lacks give columns beyond n_count.
  void (*expand)(const QuantWeightView& weight, int64_t first, void* panel);
  void (*tile)(const QGroupedTileArgs& args);
  bool wants_sums;  // reads QGroupedTileArgs::starts
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
