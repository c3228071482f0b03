// The vector intrinsics a kernel file is compiled for. Tests build the kernels of foreign instruction sets with
// NIBBLE_SIMDE_AVX512 or NIBBLE_SIMDE_NEON (cmake/emulate.cmake): SIMDe then supplies them under their native names.
#pragma once

#if defined(NIBBLE_SIMDE_AVX512) || defined(NIBBLE_SIMDE_NEON)
#include "kernels/simd_emulated.h"
#elif defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Rows of a kernels.inc that exist only on one architecture: NIBBLE_IF_X86(X(name)). With NIBBLE_EMULATE all exist.
#if defined(__x86_64__) || defined(NIBBLE_EMULATE)
#define NIBBLE_IF_X86(...) __VA_ARGS__
#else
#define NIBBLE_IF_X86(...)
#endif
#if defined(__aarch64__) || defined(NIBBLE_EMULATE)
#define NIBBLE_IF_ARM(...) __VA_ARGS__
#else
#define NIBBLE_IF_ARM(...)
#endif

// A kernel: kept whole, so that its register allocation is what the disassembly check saw.
#if defined(__clang__)
#define NIBBLE_KERNEL __attribute__((noinline))
#else
#define NIBBLE_KERNEL __attribute__((noinline, noclone))
#endif
#define NIBBLE_INLINE static inline __attribute__((always_inline))
