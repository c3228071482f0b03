#pragma once

#include <cstdint>

namespace nibble::models {

// How many of 0, 1, 2… hold in a row; at most 1,000, so that a hostile file ends.
template <class Holds>
int64_t count_while(const Holds& holds) {
  int64_t n = 0;
  while (n < 1000 && holds(n)) ++n;
  return n;
}

}  // namespace nibble::models
