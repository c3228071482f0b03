#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <unistd.h>

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
    {"avxvnni", Isa::AvxVnni, bit(Isa::Scalar) | bit(Isa::Avx2)},
    {"avx512", Isa::Avx512, bit(Isa::Scalar) | bit(Isa::Avx2)},
    {"avx512vnni", Isa::Avx512Vnni, bit(Isa::Scalar) | bit(Isa::Avx2) | bit(Isa::Avx512)},
    {"avx512bf16", Isa::Avx512Bf16, bit(Isa::Scalar) | bit(Isa::Avx2) | bit(Isa::Avx512) | bit(Isa::Avx512Vnni)},
    {"neon", Isa::Neon, bit(Isa::Scalar)},
    {"dotprod", Isa::DotProd, bit(Isa::Scalar) | bit(Isa::Neon)},
    {"i8mm", Isa::I8mm, bit(Isa::Scalar) | bit(Isa::Neon) | bit(Isa::DotProd)},
};

void append(std::string& text, const char* separator, const char* name) {
  if (!text.empty()) text += separator;
  text += name;
}

std::string names() {
  std::string text;
  for (const IsaRow& row : kIsas) append(text, ", ", row.name);
  return text;
}

#if defined(__x86_64__)
// clang 14's __builtin_cpu_supports does not know the name.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}
bool has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & (1u << 4)) != 0;
}
#elif defined(__aarch64__) && defined(__linux__)
bool has_dot_products() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
bool has_byte_matrix_products() { return (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }
#elif defined(__aarch64__)
constexpr bool has_dot_products() {
#if defined(__ARM_FEATURE_DOTPROD)
  return true;
#else
  return false;
#endif
}
constexpr bool has_byte_matrix_products() {
#if defined(__ARM_FEATURE_MATMUL_INT8)
  return true;
#else
  return false;
#endif
}
#endif

}  // namespace

CpuMask detect_cpu() {
  CpuMask mask;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c())
    mask = mask.with(Isa::Avx2);
  if (mask.has(Isa::Avx2) && has_avx_vnni()) mask = mask.with(Isa::AvxVnni);
  if (mask.has(Isa::Avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    mask = mask.with(Isa::Avx512);
  if (mask.has(Isa::Avx512) && __builtin_cpu_supports("avx512vnni")) mask = mask.with(Isa::Avx512Vnni);
  if (mask.has(Isa::Avx512Vnni) && __builtin_cpu_supports("avx512bf16")) mask = mask.with(Isa::Avx512Bf16);
#elif defined(__aarch64__)
  mask = mask.with(Isa::Neon);
  if (has_dot_products()) mask = mask.with(Isa::DotProd);
  if (mask.has(Isa::DotProd) && has_byte_matrix_products()) mask = mask.with(Isa::I8mm);
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
  fail(ErrorCode::InvalidArgument, "processor feature '{}': want one of {}", name, names());
}

size_t second_level_cache() {
  static const size_t bytes = [] {
#if defined(_SC_LEVEL2_CACHE_SIZE)
    if (const long told = ::sysconf(_SC_LEVEL2_CACHE_SIZE); told > 0) return static_cast<size_t>(told);
#endif
    return size_t{512} << 10;
  }();
  return bytes;
}

std::vector<CpuMask> narrower_masks(CpuMask mask) {
  std::vector<CpuMask> all;
  for (const IsaRow& row : kIsas) {
    const CpuMask narrow{bit(row.isa) | row.implies};
    if ((narrow.bits & ~mask.bits) == 0) all.push_back(narrow);
  }
  return all;
}

std::string to_string(CpuMask mask) {
  std::string text;
  for (int i = static_cast<int>(std::size(kIsas)) - 1; i >= 0; --i)
    if (mask.has(kIsas[i].isa)) append(text, " ", kIsas[i].name);
  return text;
}

}  // namespace nibble
