// Places inside a tensor and sizes of scratch.
#pragma once

#include "graph/op.h"

namespace nibble::ops {

inline std::byte* element_at(const TensorRef& ref, int64_t i) {
  return ref.as<std::byte>() + static_cast<size_t>(i) * bytes_of(ref.type.dtype);
}

// Rounded up to the arena's alignment.
inline size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace nibble::ops
