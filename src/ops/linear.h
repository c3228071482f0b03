// Matrix products: linear layers, batched matrix products and convolutions, all on the gemm kernel family.
#pragma once

#include "graph/graph.h"

namespace nibble::ops {

// x [..., K] · weight^T [N, K] (+ bias f32 [N]) -> [..., N]. The weight may be any float type (a mapped checkpoint tensor).
// With `transposed` the weight is [K, N] and x · weight is computed.
Value linear(Value x, Value weight, Value bias = {}, bool transposed = false);

// a [B..., M, K] · b [B..., N, K]^T -> [B..., M, N]; with `transposed` b is [B..., K, N].
Value matmul(Value a, Value b, bool transposed = false);

struct Conv2dOptions {
  int64_t stride = 1;
  // Padding of zeros; {1,1,1,1} for "same" 3x3, {0,0,1,1} for the VAE's downsampling.
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
};

// x [N, H, W, Cin] * weight [Cout, Cin, kh, kw] (as checkpoints hold it) + bias f32 [Cout] -> [N, H', W', Cout].
Value conv2d(Value x, Value weight, Value bias, const Conv2dOptions& options);

// Gradients of conv2d, themselves ops: with respect to the input (shape `input`) and to the weight (shape `weight`).
Value conv2d_input_gradient(Value grad, Value weight, const Shape& input, const Conv2dOptions& options);
Value conv2d_weight_gradient(Value grad, Value x, const Shape& weight, const Conv2dOptions& options);

}  // namespace nibble::ops
