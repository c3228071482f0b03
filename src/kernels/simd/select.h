// The selector shared by all families: kernels stand in a table, best first, the scalar ones last.
#pragma once

#include <cstddef>

#include "base/cpu.h"
#include "tensor/dtype.h"

namespace nibble::kernels {

template <typename Kernel, size_t count>
const Kernel& select_kernel(const Kernel* const (&table)[count], CpuMask mask, DType dtype) {
  for (const Kernel* kernel : table)
    if (kernel->dtype == dtype && mask.has(kernel->isa)) return *kernel;
  for (size_t i = count; i-- > 0;)
    if (table[i]->dtype == dtype) return *table[i];
  return *table[count - 1];
}

}  // namespace nibble::kernels
