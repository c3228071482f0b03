// Processor features, read once and narrowed by the caller or by NIBBLE_CPU= (scalar, avx2, avxvnni, avx512, avx512vnni, avx512bf16,
// neon, dotprod, i8mm).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

enum class Isa : uint32_t {
  Scalar = 1u << 0,
  Avx2 = 1u << 1,        // AVX2 + FMA + F16C
  Avx512 = 1u << 2,      // F + BW + DQ + VL
  Avx512Bf16 = 1u << 3,  // AVX512 VNNI + BF16 dot products
  Neon = 1u << 4,        // baseline AArch64
  AvxVnni = 1u << 5,     // AVX2 + byte dot products of 256 bits
  Avx512Vnni = 1u << 6,  // AVX512 + byte dot products
  DotProd = 1u << 7,     // NEON + byte dot products
  I8mm = 1u << 8,        // DotProd + byte matrix products
};

struct CpuMask {
  uint32_t bits = static_cast<uint32_t>(Isa::Scalar);
  bool has(Isa isa) const { return (bits & static_cast<uint32_t>(isa)) != 0; }
  CpuMask with(Isa isa) const { return {bits | static_cast<uint32_t>(isa)}; }
};

CpuMask detect_cpu();

// What the processor has, narrowed by the environment variable NIBBLE_CPU when it is set.
// Throws Error{InvalidArgument} for an unknown name, Error{Unsupported} for one that this processor lacks.
CpuMask usable_cpu();

// `name` and every feature it builds on, e.g. "avx512" -> scalar, avx2, avx512.
CpuMask parse_cpu_mask(std::string_view name);
std::string to_string(CpuMask mask);  // best feature first: "avx512 avx2 scalar"

// Of one core, in bytes; half a megabyte where the system does not tell. What kernels read again and again should fit into it.
size_t second_level_cache();

// Every mask that NIBBLE_CPU could narrow `mask` to, scalar first.
std::vector<CpuMask> narrower_masks(CpuMask mask);

}  // namespace nibble
