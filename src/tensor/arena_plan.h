// Places buffers with known lifetimes into one arena so that buffers alive at the same time never overlap.
#pragma once

#include <cstddef>
#include <vector>

namespace nibble {

struct BufferLife {
  size_t bytes;
  int first, last;  // steps at which it is written first and read last, inclusive
};

struct ArenaPlan {
  std::vector<size_t> offsets;  // one per buffer, 64-byte aligned
  size_t bytes = 0;             // size of the arena
};

// Greedy by size: the largest buffer first, each at the lowest offset free during its whole life.
ArenaPlan plan_arena(const std::vector<BufferLife>& buffers);

// The largest sum of buffers alive at one step: no placement can need less.
size_t arena_lower_bound(const std::vector<BufferLife>& buffers);

}  // namespace nibble
