// Random numbers equal to torch's CPU generator, so that a seed means the same picture as in diffusers.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace nibble {

// mt19937 as torch seeds and reads it: torch.Generator("cpu").manual_seed(seed).
class Generator {
 public:
  explicit Generator(uint64_t seed);

  // mt19937 as Python's random.Random(seed) seeds it, for whole numbers of up to 64 bits.
  static Generator like_python(uint64_t seed);

  uint32_t next_u32();
  uint64_t next_u64();

  // torch.randn(n, generator=g) in float32, within 3e-7. n < 16 takes torch's serial path (double Box-Muller with a cached
  // second value); n >= 16 its blocked path. The cached value survives between calls as in torch.
  void randn(std::span<float> out);

  // torch.rand(n, generator=g) in float32, exact.
  void rand(std::span<float> out);

 private:
  void refill();
  double next_normal();

  std::array<uint32_t, 624> state_;
  int next_ = 624;
  bool has_cached_ = false;
  double cached_ = 0;
};

}  // namespace nibble
