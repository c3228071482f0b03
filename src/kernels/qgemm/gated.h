// The gate of a product whose weight holds values and gates: C = value · gelu(gate), row by row from a buffer in the L1
// cache that holds both halves of some columns, so that the doubled result is never stored. Each half is rounded to C's
// type before, as if it had been.
#pragma once

#include "kernels/eltwise/eltwise.h"

namespace nibble::kernels {

struct GatedRows {
  const std::byte* halves;  // [count][value(columns) | gate(columns)]
  int count;
  int64_t columns;
  std::byte* c;
  int64_t c_stride;
};

inline void finish_gated(const EltwiseKernel& gate, const GatedRows& rows) {
  const size_t item = bytes_of(gate.dtype);
  for (int i = 0; i < rows.count; ++i)
    gate.glu(UnaryOp::GeluErf, GateOrder::ValueFirst, rows.halves + static_cast<size_t>(2 * i * rows.columns) * item,
             rows.c + static_cast<size_t>(i * rows.c_stride) * item, 1, rows.columns);
}

}  // namespace nibble::kernels
