// Element-wise ops, shapes, reductions and look-ups.
#pragma once

#include "graph/graph.h"

namespace nibble::ops {

// Element-wise over one value.
Value silu(Value x);
Value gelu(Value x);       // x · Φ(x), by erf
Value gelu_tanh(Value x);
Value quick_gelu(Value x); // x · sigmoid(1.702 x)
Value relu(Value x);
Value sigmoid(Value x);
Value tanh(Value x);
Value exp(Value x);
Value sqrt(Value x);
Value square(Value x);
Value reciprocal(Value x);
Value scale(Value x, float factor, float offset = 0);  // factor · x + offset

// Element-wise over two values of one shape, or where b repeats over leading positions: b is [C] for a [..., C],
// [N, 1, …, 1, C] for a [N, …, C] (one vector per image), or has one element.
Value add(Value a, Value b);
Value sub(Value a, Value b);
Value mul(Value a, Value b);
Value div(Value a, Value b);

// x [..., 2C] = [value | gate] -> value · gelu(gate) [..., C].
Value geglu(Value x);

Value cast(Value x, DType dtype);

// Shapes. reshape moves nothing; -1 stands for what is left.
Value reshape(Value x, const Shape& shape);
Value flatten_rows(Value x);          // [..., C] -> [rows, C]
Value transpose_last(Value x);        // [..., M, N] -> [..., N, M]
Value permute(Value x, const std::vector<int>& axes);
Value concat(const std::vector<Value>& parts, int axis);
Value slice(Value x, int axis, int64_t begin, int64_t end);
Value pad(Value x, int axis, int64_t before, int64_t after);  // zeros

// Reductions in a fixed order.
Value sum_rows(Value x);   // [..., C] -> [C]
Value sum_last(Value x);   // [..., C] -> [..., 1]
Value sum_all(Value x);    // -> [1]
Value mean_all(Value x);   // -> [1]
Value broadcast_last(Value x, int64_t count);               // [..., 1] -> [..., count]
Value broadcast_rows(Value x, const Shape& shape);          // [C] -> shape [..., C]
Value sum_images(Value x, const Shape& shape);              // [N, …, C] -> shape [N, 1, …, 1, C]

// table [V, C], ids i32 [...] -> [..., C] in `dtype`. Ids outside the table are clamped by the caller.
Value embedding(Value table, Value ids, DType dtype);
// x [N, L, C], index i32 [N] -> [N, C]: row index[n] of image n.
Value pick_rows(Value x, Value index);

// The sinusoidal embedding of diffusion time steps (Ho et al. 2020 as in diffusers' Timesteps): t f32 [N] -> [N, dim].
Value timestep_embedding(Value t, int64_t dim, bool flip_sin_to_cos, float freq_shift, DType dtype);

// NHWC resampling: nearest by the factor 2 or to a size; bilinear with half-pixel centres.
Value upsample_nearest_2x(Value x);
Value upsample_nearest(Value x, int64_t height, int64_t width);
Value upsample_bilinear(Value x, int64_t height, int64_t width);

}  // namespace nibble::ops
