// Which kernel rows a test may run here: those of the processor, and in the emulated build also the foreign ones.
#pragma once

#include "base/cpu.h"

namespace nibble::kernels {

inline CpuMask tested_cpu() {
#if defined(NIBBLE_EMULATE)
  return detect_cpu().with(Isa::Avx512).with(Isa::Avx512Bf16).with(Isa::Neon);
#else
  return detect_cpu();
#endif
}

}  // namespace nibble::kernels
