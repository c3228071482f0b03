// Quantized layers without meaning, to time: a chain of `count` copies of one weight, each with its own memory, as a
// network has them.
#pragma once

#include "ops/quantized.h"

namespace nibble {

class SampleLayers {
 public:
  // `shape` with as many outputs as inputs where count > 1; `kernel` 1: linear, otherwise a convolution that keeps the
  // size. With a branch the input is smoothed too.
  SampleLayers(const QuantShape& shape, int64_t kernel, ActivationKind activation, int64_t rank, int count);

  // The graph refers to this object's memory.
  Value operator()(Value x) const;

 private:
  QuantShape shape_;
  int64_t kernel_, rank_;
  ActivationKind activation_;
  std::vector<PackedWeight> weights_;
  std::vector<Tensor> downs_, ups_, smoothings_;
};

}  // namespace nibble
