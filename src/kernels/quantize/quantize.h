// Activations to integers, row by row (a token, or a pixel of an NHWC image). With x' = x · input_scale (the smoothing
// vector's reciprocal, all ones when null):
//   int8, one scale a row    s = max|x'| / 127,  q = clamp(round_to_even(x' / s), -127, 127)
//   int8, one scale an image the same with the maximum over all pixels of the image: absmax first, then quantize with it
//   int4, groups of 64       s = max|x'| / 7, q in [-7, 7];  with shift > 0: x' = (x + shift) · input_scale clamped at 0,
//                            s = max x' / 15, q in [0, 15]
// A row of zeros gets scale 0 and codes 0. Codes beyond k up to padded_k are 0. Sums of codes serve unsigned weight operands.
// round_to_even(x' · (1 / s)): the reciprocal is taken once per row, in float32, the same on every ISA, so codes are bit-equal.
#pragma once

#include <cstdint>

#include "base/cpu.h"
#include "tensor/dtype.h"

namespace nibble::kernels {

struct QuantizeKernel {
  const char* name;
  Isa isa;
  DType dtype;  // of x: F32 or BF16

  // The largest |x · input_scale| of `rows` rows of k values.
  float (*absmax)(const void* x, int64_t rows, int64_t k, const float* input_scale);
  // Joins rows into what lowest and highest [k], of x's type, already hold: the extremes of each channel.
  void (*channel_extremes)(const void* x, int64_t rows, int64_t k, void* lowest, void* highest);
  // Each row by its own maximum. codes [rows, padded_k], scales [rows], sums [rows].
  void (*int8_rows)(const void* x, int64_t rows, int64_t k, int64_t padded_k, const float* input_scale, int8_t* codes,
                    float* scales, int32_t* sums);
  // All rows by one given scale.
  void (*int8_scaled)(const void* x, int64_t rows, int64_t k, int64_t padded_k, const float* input_scale, float scale,
                      int8_t* codes, int32_t* sums);
  // Groups of 64. codes [rows, padded_k] one a byte, scales [rows, groups], sums [rows, padded_k / 32] of 32 codes each; signed
  // when shift is 0.
  void (*int4_groups)(const void* x, int64_t rows, int64_t k, int64_t padded_k, const float* input_scale, float shift,
                      int8_t* codes, float* scales, int32_t* sums);
};

// Best kernel of the mask for this activation type; never null.
const QuantizeKernel& select_quantize(CpuMask mask, DType dtype);

}  // namespace nibble::kernels
