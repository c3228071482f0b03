// The rows of kernels.inc, for the selector, the test and the benchmark, and what a kernel of this family is.
#pragma once

#include "kernels/qgemm/qgemm.h"
#include "kernels/simd_native.h"

namespace nibble::kernels {

// One tile of mr rows x nr columns. `rows` are as expand_row leaves them: [taps][mr] pointers, rows past m_count repeat.
struct QTileArgs {
  const void* const* rows;
  int64_t taps, padded_k;
  const void* panel;
  int m_count, n_count;
  const int32_t* sums;    // [mr] sums of a over taps and k
  const float* a_scales;  // [mr]
  const float* w_scales;  // [nr]
  const float* bias;      // [n_count] or null
  const void* residual;
  int64_t residual_stride;
  void* c;
  int64_t c_stride;
  int64_t rank;
  const void* h;         // row i at h + i * rank
  const BFloat16* up;    // [nr / 16][rank][16]
};

struct QGemmKernel {
  const char* name;
  Isa isa;
  DType dtype;  // of C and the residual
  int mr, nr;   // nr a multiple of 16
  size_t (*panel_bytes)(int64_t taps, int64_t padded_k);
  // Expands the nr / 16 stored panels from `first` on; zero where the weight has none.
  void (*expand)(const QuantWeightView& weight, int64_t first, void* panel);
  void (*tile)(const QTileArgs& args);
  // When set, rows of a are expanded once per tile; expanded_bytes(padded_k) each.
  void (*expand_row)(const int8_t* row, int64_t padded_k, void* out);
  size_t (*expanded_bytes)(int64_t padded_k);
  bool wants_sums;  // reads QTileArgs::sums
  DType branch = DType::F32;  // of h; BF16: products of a pair of ranks are added at once
};

#define X(name) extern const QGemmKernel name;
#include "kernels/qgemm/kernels.inc"
#undef X

inline constexpr const QGemmKernel* kQGemmKernels[] = {
#define X(name) &name,
#include "kernels/qgemm/kernels.inc"
#undef X
};

}  // namespace nibble::kernels
