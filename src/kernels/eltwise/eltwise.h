// Element-wise maps over contiguous arrays of one activation type; arithmetic is float32, storage f32 or bf16.
// Each output depends on its own inputs only, so any split of a range gives bit-identical results.
// y may be the same pointer as an input of the same shape.
#pragma once

#include <cstdint>

#include "base/cpu.h"
#include "tensor/dtype.h"

namespace nibble::kernels {

enum class UnaryOp : uint8_t {
  Identity,
  Neg,
  Abs,
  Square,
  Sqrt,
  Rsqrt,       // 1 / sqrt(x)
  Reciprocal,  // 1 / x
  Exp,
  Log,
  Sin,
  Cos,
  Tanh,
  Sigmoid,
  Relu,
  Silu,       // x * sigmoid(x)
  GeluErf,    // x/2 * (1 + erf(x / sqrt 2)), torch's default
  GeluTanh,   // x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))
  QuickGelu,  // x * sigmoid(1.702 x), CLIP's
};

enum class BinaryOp : uint8_t { Add, Sub, Mul, Div, Min, Max };

// A token's row [value(columns) | gate(columns)]: GEGLU, SwiGLU. ValueFirst is diffusers' GEGLU.
enum class GateOrder : uint8_t { ValueFirst, GateFirst };

struct EltwiseKernel {
  const char* name;  // "eltwise_bf16_avx2"
  Isa isa;
  DType dtype;  // of x, z, a, b, y: F32 or BF16

  // y[i] = op(x[i])
  void (*unary)(UnaryOp op, const void* x, void* y, int64_t count);

  // y[i] = op(a[i], b[i])
  void (*binary)(BinaryOp op, const void* a, const void* b, void* y, int64_t count);

  // y[r, c] = op(a[r, c], b[c]); a and y are [rows, columns], b is [columns]. A per-image channel add is this per
  // image.
  void (*binary_row)(BinaryOp op, const void* a, const void* b, void* y, int64_t rows, int64_t columns);

  // y[r, c] = op(a[r, c], b[r]); b is [rows]
  void (*binary_column)(BinaryOp op, const void* a, const void* b, void* y, int64_t rows, int64_t columns);

  // y[i] = op(a[i], b)
  void (*binary_scalar)(BinaryOp op, const void* a, float b, void* y, int64_t count);

  // y[i] = alpha * x[i] + beta * z[i] + gamma; z may be null
  void (*scale_add)(float alpha, const void* x, float beta, const void* z, float gamma, void* y, int64_t count);

  // y[i] = min(max(x[i], low), high)
  void (*clamp)(const void* x, float low, float high, void* y, int64_t count);

  // y[r, c] = value * op(gate), where x[r] = [value | gate] (or [gate | value]) has 2 * columns elements. y must not be
  // x.
  void (*glu)(UnaryOp op, GateOrder order, const void* x, void* y, int64_t rows, int64_t columns);

  // y[r, c] = x[r, c] * (1 + scale[c]) + shift[c] (adaptive layer norm)
  void (*modulate)(const void* x, const void* scale, const void* shift, void* y, int64_t rows, int64_t columns);

  // y[r, c] = x[r, c] + gate[c] * z[r, c] (gated residual)
  void (*gated_add)(const void* x, const void* gate, const void* z, void* y, int64_t rows, int64_t columns);
};

// Best kernel of the mask for F32 or BF16; never null.
// Accuracy of the vector forms: exp, sigmoid, tanh, silu within 3 ulp; GeluErf within 2e-7 * max(1, |x|) of the exact
// value.
const EltwiseKernel& select_eltwise(CpuMask mask, DType dtype);

// Conversions between F32, F16 and BF16 in any combination, rounding to nearest even. x and y must not overlap
// unless the types are equal and x == y.
struct CastKernel {
  const char* name;
  Isa isa;
  void (*cast)(DType from, const void* x, DType to, void* y, int64_t count);
};

const CastKernel& select_cast(CpuMask mask);

}  // namespace nibble::kernels
