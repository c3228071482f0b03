// Test pictures by formula, the twins of noise and smooth in the makers of the golden files.
#pragma once

#include <cmath>

#include "image/image.h"

namespace nibble {

// Sample k is floor(256 u(seed, k + 1)) with u of tests/golden/fill.py.
inline Image noise(uint64_t seed, int64_t height, int64_t width, int64_t channels = 3) {
  Image image(width, height, channels);
  for (size_t k = 0; k < image.pixels.size(); ++k) {
    uint64_t z = seed + (k + 1) * 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    z ^= z >> 31;
    image.pixels[k] = static_cast<uint8_t>(z >> 56);
  }
  return image;
}

inline Image smooth(int seed, int64_t height, int64_t width) {
  Image image(width, height, 3);
  uint8_t* out = image.pixels.data();
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const double phase = 0.05 * (c + 1) * static_cast<double>(x) + 0.03 * static_cast<double>(y) * (3 - c) + seed;
        *out++ = static_cast<uint8_t>(std::floor(127.5 + 100 * std::sin(phase) + 0.5));
      }
    }
  }
  return image;
}

}  // namespace nibble
