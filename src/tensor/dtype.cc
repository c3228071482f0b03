#include "tensor/dtype.h"

#include "base/check.h"

namespace nibble {
namespace {

constexpr DTypeTraits kTraits[] = {
    {DType::F32, "f32", "F32", 4, true},  {DType::F16, "f16", "F16", 2, true},   {DType::BF16, "bf16", "BF16", 2, true},
    {DType::F64, "f64", "F64", 8, true},  {DType::I64, "i64", "I64", 8, false},  {DType::I32, "i32", "I32", 4, false},
    {DType::I16, "i16", "I16", 2, false}, {DType::I8, "i8", "I8", 1, false},     {DType::U8, "u8", "U8", 1, false},
    {DType::Bool, "bool", "BOOL", 1, false},
};

}  // namespace

const DTypeTraits& traits(DType dtype) { return kTraits[static_cast<int>(dtype)]; }

std::optional<DType> dtype_from_safetensors(std::string_view name) {
  for (const DTypeTraits& row : kTraits)
    if (name == row.safetensors) return row.dtype;
  return std::nullopt;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeTraits& row : kTraits)
    if (name == row.name) return row.dtype;
  return std::nullopt;
}

Float16 to_f16(float x) {
  const uint32_t u = std::bit_cast<uint32_t>(x);
  const uint16_t sign = static_cast<uint16_t>((u >> 16) & 0x8000u);
  const uint32_t a = u & 0x7fffffffu;
  if (a > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (a >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};
  if (a < 0x38800000u) {
    // Adding 0.5 aligns the subnormal's last bit with the float's last bit, which rounds to nearest even.
    const float aligned = std::bit_cast<float>(a) + 0.5f;
    return {static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(aligned) - 0x3f000000u))};
  }
  return {static_cast<uint16_t>(sign | ((a + 0xfffu + ((a >> 13) & 1u) - 0x38000000u) >> 13))};
}

}  // namespace nibble
