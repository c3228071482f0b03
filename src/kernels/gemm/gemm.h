// Matrix products and convolutions with one micro-kernel:
//   C[m, n] = bias[n] + residual[m, n] + sum_tap sum_k A[tap][m][k] * W[n, tap, k]
// in float32 accumulation, in the fixed order tap, k, so a row's result depends on nothing but that row.
// A linear layer has one tap; a convolution over NHWC has kh*kw taps whose rows are found by pointer (implicit GEMM).
// Weights stay in their storage type (f32, f16, bf16) and are expanded one panel of `nr` output channels at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/cpu.h"
#include "tensor/dtype.h"

namespace nibble::kernels {

// Element (n, tap, k) of the weight is data[n * n_stride + tap * tap_stride + k * k_stride] (strides in elements),
// which serves [N, K] linear weights, OIHW convolutions as checkpoints hold them, and transposed operands.
struct WeightView {
  const void* data;
  DType dtype;
  int64_t n_stride, tap_stride, k_stride;
};

struct TileArgs {
  const void* const* rows;  // [taps][mr] pointers to k activations each; rows past m_count repeat a valid one
  int64_t taps, k;
  const void* panel;
  int m_count, n_count;  // valid part of the mr x nr tile
  void* c;               // row i at c + i * c_stride elements
  int64_t c_stride;
  const float* bias;     // [n_count] or null
  const void* residual;  // like c, or null
  int64_t residual_stride;
};

struct GemmKernel {
  const char* name;  // tile and ISA: "gemm_f32_6x16_avx2"
  Isa isa;
  DType dtype;  // of A, C and the residual: F32 or BF16
  int mr, nr;
  size_t (*panel_bytes)(int64_t taps, int64_t k);
  // Expands output channels [n_begin, n_begin + n_count) into `panel`, zero beyond n_count <= nr.
  void (*pack)(const WeightView& weight, int64_t n_begin, int n_count, int64_t taps, int64_t k, void* panel);
  void (*tile)(const TileArgs& args);
  // When set, `tile` wants float rows: run_gemm expands each row of a tile with it, once for all panels of a block.
  void (*expand_row)(const void* row, int64_t k, float* out);
};

// Best kernel of the mask for this activation type (F32 or BF16); never null.
const GemmKernel& select_gemm(CpuMask mask, DType dtype);

// How the rows of A lie. Dense: row m at a + m * a_stride. Image: output pixel m = (image, y, x) of an NHWC
// convolution.
struct ConvGeometry {
  int64_t height, width;  // input
  int64_t out_height, out_width;
  int64_t kernel_h, kernel_w, stride;
  int64_t pad_top, pad_left;  // bottom and right padding follow from the output size
  int64_t upsample;           // 1, or 2: the input is read as if enlarged 2x by nearest neighbour
};

struct GemmProblem {
  int64_t m, n, k, taps;
  const void* a;
  int64_t a_stride;          // elements between rows (pixels)
  const ConvGeometry* conv;  // null: dense
  WeightView weight;
  const float* bias;     // [n] or null
  const void* residual;  // [m, n] with residual_stride, or null
  int64_t residual_stride;
  void* c;
  int64_t c_stride;
};

// Scratch of one thread for run_gemm: a block of expanded panels, row pointers, a row of zeros.
size_t gemm_scratch_bytes(const GemmKernel& kernel, int64_t taps, int64_t k);

// Computes rows [m_begin, m_end) x columns [n_begin, n_end) on the calling thread. n_begin is a multiple of kernel.nr.
// Any split of the problem gives bit-identical results.
void run_gemm(const GemmKernel& kernel, const GemmProblem& problem, int64_t m_begin, int64_t m_end, int64_t n_begin,
              int64_t n_end, void* scratch);

}  // namespace nibble::kernels
