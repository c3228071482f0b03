// The quantized state of a layer: what a file holds in place of `<path>.weight`.
//   <path>.codes U8, .scales BF16 or F32, .ratios I16 (int4)   the packed weight (tensor/quant_format.h)
//   <path>.input_scale F32 [k]                         the smoothing vector's reciprocal, where there is one
//   <path>.down [rank, k, kh, kw], .up BF16 [panels, rank, 16]   the low-rank branch, against the raw input
// and a record that says how to read them.
#pragma once

#include "ops/quantized.h"
#include "nn/scope.h"

namespace nibble::nn {

class QuantizedLayer {
 public:
  // What the scope's source holds for a layer of this shape, or nothing when its weight is a plain tensor.
  // Throws Error{Corrupt} naming layer, want, find and file.
  static std::optional<QuantizedLayer> bind(const Scope& scope, int64_t n, int64_t k, int64_t kernel_h, int64_t kernel_w);

  Value linear(Value x, Value bias) const;
  Value conv2d(Value x, Value bias, const ops::Conv2dOptions& options) const;

 private:
  ops::QuantizedWeight in(Graph& graph, Value bias) const;

  QuantRecord record_;
  QuantShape shape_;
  int64_t kernel_h_ = 1, kernel_w_ = 1;
  Parameter codes_, scales_, ratios_, input_scale_, down_, up_;
};

}  // namespace nibble::nn
