// The split of an ancestral step into a deterministic part and fresh noise.
#pragma once

#include <cmath>

namespace nibble {

// Go down to `down`, add noise of deviation `up`: up^2 + down^2 = to^2, with the variance of the reverse process.
struct AncestralLevels {
  float up, down;
};
inline AncestralLevels ancestral_levels(float from, float to) {
  const float up = std::sqrt(to * to * (from * from - to * to) / (from * from));
  return {.up = up, .down = std::sqrt(to * to - up * up)};
}

}  // namespace nibble
