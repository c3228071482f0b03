// Linear layers and convolutions over packed Int8 and Int4 weights (tensor/quant_format.h), in every activation mode:
//   Int8    x' = x · input_scale to int8 with one scale a token (linear) or an image (convolution), integer product
//   Int4    x' (shifted where `shift` > 0) to int4 in groups of 64, exact grouped product
//   Float   the weight is expanded panel by panel; activations stay as they are
// plus the low-rank branch up · (down · x) on the raw input, bias and residual. One image has one scale whatever the batch, and a
// token its own, so results do not depend on the batch or on threads.
#pragma once

#include "graph/graph.h"
#include "ops/linear.h"
#include "tensor/quant_format.h"

namespace nibble::ops {

struct QuantizedWeight {
  QuantShape shape;
  int64_t kernel_h = 1, kernel_w = 1;
  ActivationKind activation = ActivationKind::Int8;
  float shift = 0;
  int64_t rank = 0;
  Value codes;        // U8 [code_bytes]
  Value scales;       // F32 [scale_count]
  Value ratios;       // I16 [ratio_count]; Int4 only
  Value input_scale;  // F32 [k] or empty
  Value down;         // [rank, k, kernel_h, kernel_w], any float type; rank > 0 only
  Value up;           // BF16 [panels, rank, 16]
  Value bias;         // F32 [n] or empty
};

// x [..., k] -> [..., n]
Value quantized_linear(Value x, const QuantizedWeight& weight);
// x [N, H, W, k] -> [N, H', W', n]
Value quantized_conv2d(Value x, const QuantizedWeight& weight, const Conv2dOptions& options);

}  // namespace nibble::ops
