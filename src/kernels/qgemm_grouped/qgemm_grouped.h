// Exact W4A4: Int4 weights and Int4 activations, both with one scale per group of 64 along k (SVDQuant's arithmetic, with
// float32 accumulation):
//   C[m, n] = s[n] · sum_tap sum_g a_scale[row, g] · (r[n, tap, g] / 128) · (sum_{k in g} a[row, k] · q[n, tap, k])
//           + sum_j h[m, j] · up[n, j] + bias[n] + residual[m, n]
// in the fixed order tap, g. Group sums are exact integers (at most 64 · 15 · 7), equal on every ISA. Weight groups of 32 and 128
// are allowed: activation groups stay 64 wide, and the sum runs over the finer of the two.
#pragma once

#include "kernels/qgemm/qgemm.h"

namespace nibble::kernels {

struct QGemmGroupedKernel;  // table.h

const QGemmGroupedKernel& select_qgemm_grouped(CpuMask mask, DType output);
int qgemm_grouped_row_tile(const QGemmGroupedKernel& kernel);
int qgemm_grouped_column_tile(const QGemmGroupedKernel& kernel);
const char* qgemm_grouped_name(const QGemmGroupedKernel& kernel);

struct QGemmGroupedProblem {
  int64_t m;
  const int8_t* a;        // [input rows, a_stride], codes -7..7 or 0..15, zero from k to padded_k
  int64_t a_stride;
  const float* a_scales;  // [input rows, a_groups], a_groups = ceil(padded_k / 64)
  const int32_t* sums;    // [input rows, padded_k / 32] sums of 32 codes each
  // What taps outside the image read: one row of codes, scales and sums (a shifted layer pads with the shift, not with zero).
  const int8_t* pad_codes;
  const float* pad_scales;
  const int32_t* pad_sums;
  const ConvGeometry* conv;
  QuantWeightView weight;  // Int4
  const float* bias;
  const void* residual;
  int64_t residual_stride;
  void* c;
  int64_t c_stride;
  int64_t rank;
  const float* h;
  const BFloat16* up;
  const EltwiseKernel* gate;  // as in qgemm.h
};

// Scratch of one thread for problems whose a has `input_rows` rows.
size_t qgemm_grouped_scratch_bytes(const QGemmGroupedKernel& kernel, const QuantShape& shape, bool gated, int64_t input_rows);
void run_qgemm_grouped(const QGemmGroupedKernel& kernel, const QGemmGroupedProblem& problem, int64_t m_begin, int64_t m_end,
                       int64_t n_begin, int64_t n_end, void* scratch);

}  // namespace nibble::kernels
