// A convolution of any window followed by ReLU: the brick of the classic picture classifiers.
#pragma once

#include "ops/linear.h"
#include "nn/scope.h"

namespace nibble::models {

struct Window {
  int64_t height = 3, width = 3, stride = 1, pad_y = 0, pad_x = 0;
};

struct PlainConv {
  std::string path;
  Parameter weight, bias;  // float32 [out, in, height, width], [out]
  Window window;

  Value operator()(Value x) const;  // relu(x * weight + bias), labelled with the path
};

// Binds `scope`.weight and .bias.
PlainConv bind_conv(const Scope& scope, int64_t in, int64_t out, const Window& window);

// Binds `scope`.conv.weight and .bn.{weight, bias, running_mean, running_var} and folds the normalisation into the convolution,
// in float64: weight γ/√(variance + eps), bias β − mean γ/√(variance + eps).
PlainConv bind_conv_batch_norm(const Scope& scope, int64_t in, int64_t out, const Window& window, double eps);

}  // namespace nibble::models
