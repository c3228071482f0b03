// Matrix products and convolutions of int8 activations with packed Int8 or Int4 weights (tensor/quant_format.h):
//   C[m, n] = a_scale[row] · s[n] · sum_tap sum_k a[tap][m][k] · p[n, tap, k]          exact 32-bit integer sum
//           + sum_j h[m, j] · up[n, j] + bias[n] + residual[m, n]                       float32
// p is the Int8 code or the Int4 panel weight. The integer sum is bit-equal on every ISA and for every split. Weights stay
// packed; one block of panels is expanded to bytes in scratch unless the kernel reads them in place.
// The float epilogue is evaluated as  fma(float(sum), a_scale · s, fma chain of the branch in order j, then + bias, then
// + residual), in this order everywhere, but that kernels with bf16 dot products add the branch to the scaled sum, by pairs. With a gate the weight holds 2N channels, values and then gates, both rounded to C's type, and
//   C[m, n] = value[m, n] · gelu(gate[m, n])           (GEGLU; no residual)
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/cpu.h"
#include "kernels/eltwise/eltwise.h"
#include "kernels/gemm/gemm.h"
#include "tensor/quant_format.h"

namespace nibble::kernels {

struct QGemmKernel;  // table.h

// Best kernel of the mask writing this type (F32 or BF16); never null.
const QGemmKernel& select_qgemm(CpuMask mask, DType output);
int qgemm_row_tile(const QGemmKernel& kernel);
int qgemm_column_tile(const QGemmKernel& kernel);  // a multiple of 16
const char* qgemm_name(const QGemmKernel& kernel);
DType qgemm_branch_dtype(const QGemmKernel& kernel);  // of h: F32, or BF16

struct QGemmProblem {
  int64_t m;  // output rows (pixels); n, taps, k come from the weight
  const int8_t* a;        // [input rows, a_stride], zero from k to padded_k, every |a| <= 127
  int64_t a_stride;       // >= padded_k
  const int32_t* sums;    // [input rows] sum of each row of a
  const float* a_scales;  // dense: [m]; convolution: [images]
  const ConvGeometry* conv;  // null: dense; taps outside the image read zeros
  QuantWeightView weight;
  const float* bias;      // [n] or null
  const void* residual;   // output type, or null
  int64_t residual_stride;
  void* c;
  int64_t c_stride;
  // Low-rank branch: h [m, rank] of the kernel's type with stride rank; up bf16 packed [panels of 16][rank][16]. rank 0: none.
  int64_t rank;
  const void* h;
  const BFloat16* up;
  const EltwiseKernel* gate;  // of C's type, or null: none; N is then a multiple of 16
};

// Scratch of one thread for problems whose a has `input_rows` rows.
size_t qgemm_scratch_bytes(const QGemmKernel& kernel, const QuantShape& shape, bool gated, int64_t input_rows);

// Rows [m_begin, m_end) x columns [n_begin, n_end) of C on the calling thread; n_begin is a multiple of the column tile.
void run_qgemm(const QGemmKernel& kernel, const QGemmProblem& problem, int64_t m_begin, int64_t m_end, int64_t n_begin,
               int64_t n_end, void* scratch);

}  // namespace nibble::kernels
