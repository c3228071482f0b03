// Which kernel rows a test may run here: those of the processor, and in the emulated build also the foreign ones.
#pragma once

#include "base/cpu.h"

namespace nibble::kernels {

inline CpuMask tested_cpu() {
#if defined(NIBBLE_EMULATE)
  CpuMask mask = detect_cpu();
  for (const Isa isa : {Isa::AvxVnni, Isa::Avx512, Isa::Avx512Vnni, Isa::Avx512Bf16, Isa::Neon, Isa::DotProd, Isa::I8mm}) mask = mask.with(isa);
  return mask;
#else
  return detect_cpu();
#endif
}

}  // namespace nibble::kernels
