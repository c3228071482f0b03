// The op that makes the input of quantized linear layers, once for all layers that share it.
#pragma once

#include "graph/graph.h"
#include "ops/input_pass.h"

namespace nibble::ops {

// x [..., k], input_scale F32 [k] or empty, down [rank, k, ...] or empty, as the form says (norms are fused into it
// later). Returns the bytes of input_places(). A pass over the same x with equal form and operands that the graph has
// already is taken instead of a second one.
Value quantize_input(Value x, const InputForm& form, Value input_scale, Value down);

}  // namespace nibble::ops
