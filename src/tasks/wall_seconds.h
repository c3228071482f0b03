// Seconds on the wall: what a user waits, and what no virtual machine counts too small.
#pragma once

#include <chrono>

namespace nibble {

template <typename Body>
double wall_seconds(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace nibble
