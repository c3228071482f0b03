#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstdlib>

#include "base/error.h"

namespace nibble {
namespace {

struct IsaRow {
  const char* name;
  Isa isa;
  uint32_t implies;  // bits of the features it builds on
};

constexpr uint32_t bit(Isa isa) { return static_cast<uint32_t>(isa); }

constexpr IsaRow kIsas[] = {
    {"scalar", Isa::Scalar, 0},
    {"avx2", Isa::Avx2, bit(Isa::Scalar)},
    {"avx512", Isa::Avx512, bit(Isa::Scalar) | bit(Isa::Avx2)},
    {"avx512bf16", Isa::Avx512Bf16, bit(Isa::Scalar) | bit(Isa::Avx2) | bit(Isa::Avx512)},
    {"neon", Isa::Neon, bit(Isa::Scalar)},
};

#if defined(__x86_64__)
// clang 14's __builtin_cpu_supports does not know the name.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}
#endif

}  // namespace

CpuMask detect_cpu() {
  CpuMask mask;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c())
    mask = mask.with(Isa::Avx2);
  if (mask.has(Isa::Avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    mask = mask.with(Isa::Avx512);
  if (mask.has(Isa::Avx512) && __builtin_cpu_supports("avx512bf16")) mask = mask.with(Isa::Avx512Bf16);
#elif defined(__aarch64__)
  mask = mask.with(Isa::Neon);
#endif
  return mask;
}

CpuMask usable_cpu() {
  const CpuMask found = detect_cpu();
  const char* wish = std::getenv("NIBBLE_CPU");
  if (wish == nullptr || *wish == '\0') return found;
  const CpuMask asked = parse_cpu_mask(wish);
  if ((asked.bits & ~found.bits) != 0)
    fail(ErrorCode::Unsupported, "NIBBLE_CPU={}: this processor has only {}; unset it or name one of these", wish,
         to_string(found));
  return asked;
}

CpuMask parse_cpu_mask(std::string_view name) {
  for (const IsaRow& row : kIsas)
    if (name == row.name) return {bit(row.isa) | row.implies};
  fail(ErrorCode::InvalidArgument,
       "processor feature '{}': want one of scalar, avx2, avx512, avx512bf16, neon", name);
}

std::string to_string(CpuMask mask) {
  std::string text;
  for (int i = static_cast<int>(std::size(kIsas)) - 1; i >= 0; --i)
    if (mask.has(kIsas[i].isa)) text += (text.empty() ? "" : " ") + std::string(kIsas[i].name);
  return text;
}

}  // namespace nibble
