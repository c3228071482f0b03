// Element types and storage formats: one table of traits. Block formats (int8, int4…) are further rows.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace nibble {

enum class DType : uint8_t { F32, F16, BF16, F64, I64, I32, I16, I8, U8, Bool };

struct DTypeTraits {
  DType dtype;
  const char* name;         // as printed: "bf16"
  const char* safetensors;  // as in a safetensors header: "BF16"
  uint8_t bytes;
  bool floating;
};

const DTypeTraits& traits(DType dtype);
inline size_t bytes_of(DType dtype) { return traits(dtype).bytes; }
inline const char* to_string(DType dtype) { return traits(dtype).name; }
std::optional<DType> dtype_from_safetensors(std::string_view name);
std::optional<DType> dtype_from_name(std::string_view name);  // "f32", "bf16", "f16", …

// Storage-only 16-bit floats; arithmetic is in float.
struct BFloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

inline float to_float(float x) { return x; }
inline float to_float(BFloat16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }

inline float to_float(Float16 h) {
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000u) << 16;
  const uint32_t rest = h.bits & 0x7fffu;
  if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | ((rest & 0x3ffu) << 13));
  // Scaling by 2^112 in float moves the exponent bias and normalises subnormals exactly.
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(std::bit_cast<float>(rest << 13) * 0x1p112f));
}

// Round to nearest even; NaN stays NaN.
inline BFloat16 to_bf16(float x) {
  const uint32_t u = std::bit_cast<uint32_t>(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((u >> 16) | 0x40u)};
  return {static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
}
Float16 to_f16(float x);  // round to nearest even, overflow to infinity

template <typename T>
T from_float(float x);
template <>
inline float from_float<float>(float x) { return x; }
template <>
inline BFloat16 from_float<BFloat16>(float x) { return to_bf16(x); }
template <>
inline Float16 from_float<Float16>(float x) { return to_f16(x); }

}  // namespace nibble
