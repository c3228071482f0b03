// Single elements of a weight and bf16 rounding, with internal linkage so that kernel files of any instruction set may
// use them (an inline function of a common header could be merged with a copy compiled for another processor).
#pragma once

#include <stdint.h>

#include "kernels/gemm/gemm.h"
#include "kernels/simd_native.h"

namespace nibble::kernels {
namespace {

NIBBLE_INLINE float float_from_bits(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, 4);
  return x;
}

NIBBLE_INLINE uint32_t bits_of_float(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits;
}

NIBBLE_INLINE float float_from_f16(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16, rest = h & 0x7fffu;
  if (rest >= 0x7c00u) return float_from_bits(sign | 0x7f800000u | ((rest & 0x3ffu) << 13));
  return float_from_bits(sign | bits_of_float(float_from_bits(rest << 13) * 0x1p112f));
}

NIBBLE_INLINE float float_from_bf16(uint16_t h) { return float_from_bits(static_cast<uint32_t>(h) << 16); }

// Round to nearest even; NaN stays NaN.
NIBBLE_INLINE uint16_t bf16_from_float(float x) {
  const uint32_t u = bits_of_float(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((u >> 16) | 0x40u);
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

NIBBLE_INLINE float load_element(DType dtype, const void* data, int64_t index) {
  if (dtype == DType::F32) return static_cast<const float*>(data)[index];
  const uint16_t half = static_cast<const uint16_t*>(data)[index];
  return dtype == DType::F16 ? float_from_f16(half) : float_from_bf16(half);
}

NIBBLE_INLINE int64_t element_bytes(DType dtype) { return dtype == DType::F32 ? 4 : 2; }

// Stores rows of an accumulator tile [m_count][nr] as C = acc + bias + residual, element by element: for partial tiles.
NIBBLE_INLINE void store_tile_plain(DType dtype, const float* acc, int nr, const TileArgs& args) {
  for (int i = 0; i < args.m_count; ++i)
    for (int j = 0; j < args.n_count; ++j) {
      float x = acc[i * nr + j];
      if (args.bias != nullptr) x = x + args.bias[j];
      if (args.residual != nullptr) x = x + load_element(dtype, args.residual, i * args.residual_stride + j);
      if (dtype == DType::F32)
        static_cast<float*>(args.c)[i * args.c_stride + j] = x;
      else
        static_cast<uint16_t*>(args.c)[i * args.c_stride + j] = bf16_from_float(x);
    }
}

}  // namespace
}  // namespace nibble::kernels
