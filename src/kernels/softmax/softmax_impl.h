// The softmax kernels over the Vec of the including softmax_<isa>.cc: maximum, sum of exponentials, quotients. The
// exponentials are computed twice rather than stored, so a bf16 row loses nothing in between.
#pragma once

#include "kernels/softmax/table.h"

namespace nibble::kernels {
namespace {

constexpr int64_t kWidth = Vec::kWidth;
constexpr float kLog2e = 1.44269504f;
constexpr float kLowest = -3.0e38f;

template <typename T>
struct Softmax {
  // Logits in units of log 2, lanes past n far below any other.
  static Vec logits(const T* x, const float* bias, Vec scale, int64_t i, int64_t n) {
    const Vec base = bias == nullptr ? set(0.0f) : (n == kWidth ? load(bias + i) : load_part(bias + i, n));
    if (n == kWidth) return fma(load(x + i), scale, base * set(kLog2e));
    float lanes[kWidth];
    store(lanes, set(-__builtin_inff()));
    store_part(lanes, fma(load_part(x + i, n), scale, base * set(kLog2e)), n);
    return load(lanes);
  }

  static void row(const T* x, T* y, const float* bias, int64_t columns, float scale_by) {
    const Vec scale = set(scale_by * kLog2e);
    Vec largest = set(kLowest);
    for (int64_t i = 0; i < columns; i += kWidth)
      largest = max(largest, logits(x, bias, scale, i, columns - i < kWidth ? columns - i : kWidth));
    const Vec top = set(reduce_max(largest));
    Vec sums = set(0.0f);
    for (int64_t i = 0; i < columns; i += kWidth)
      sums = sums + exp2_flushing(logits(x, bias, scale, i, columns - i < kWidth ? columns - i : kWidth) - top);
    const float sum = reduce_add(sums);
    const Vec factor = set(sum == 0.0f ? 0.0f : 1.0f / sum);
    for (int64_t i = 0; i < columns; i += kWidth) {
      const int64_t n = columns - i < kWidth ? columns - i : kWidth;
      const Vec value = exp2_flushing(logits(x, bias, scale, i, n) - top) * factor;
      if (n == kWidth)
        store(y + i, value);
      else
        store_part(y + i, value, n);
    }
  }

  static void run(const SoftmaxArgs& args, int64_t row_begin, int64_t row_end) {
    for (int64_t r = row_begin; r < row_end; ++r)
      row(static_cast<const T*>(args.x) + r * args.x_stride, static_cast<T*>(args.y) + r * args.y_stride,
          args.bias == nullptr ? nullptr : args.bias + r * args.bias_stride, args.columns, args.scale);
  }

  static constexpr SoftmaxKernel kernel(const char* name, DType dtype) { return {name, kIsa, dtype, run}; }
};

}  // namespace
}  // namespace nibble::kernels
