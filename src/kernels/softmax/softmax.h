// Softmax over rows: y[r] = softmax(scale * x[r] + bias[r]), float32 arithmetic, max subtracted first.
// A row's result depends on that row only, so any split of the rows gives bit-identical results.
#pragma once

#include <cstdint>

#include "base/cpu.h"
#include "tensor/dtype.h"

namespace nibble::kernels {

struct SoftmaxArgs {
  const void* x;  // row r at x + r * x_stride elements
  int64_t x_stride;
  void* y;  // may be x
  int64_t y_stride;
  int64_t columns;
  float scale = 1.0f;
  const float* bias = nullptr;  // [rows, columns], or one row with bias_stride 0, or null; -inf masks an element
  int64_t bias_stride = 0;
};

struct SoftmaxKernel {
  const char* name;  // "softmax_f32_avx2"
  Isa isa;
  DType dtype;  // of x and y: F32 or BF16

  // Rows [row_begin, row_end). A row whose elements are all masked becomes zeros.
  void (*run)(const SoftmaxArgs& args, int64_t row_begin, int64_t row_end);
};

// Best kernel of the mask for F32 or BF16; never null.
const SoftmaxKernel& select_softmax(CpuMask mask, DType dtype);

}  // namespace nibble::kernels
