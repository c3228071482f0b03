#include "base/random.h"

#include <cmath>
#include <numbers>

namespace nibble {
namespace {

constexpr int kN = 624, kM = 397;

float to_unit(uint32_t x) { return static_cast<float>(x & 0xFFFFFFu) * 0x1p-24f; }

// Box-Muller over 16 uniforms in place: j < 8 pairs with j + 8.
void transform_block(float* block) {
  for (int j = 0; j < 8; ++j) {
    const float u1 = 1.0f - block[j], u2 = block[j + 8];
    const float radius = std::sqrt(-2.0f * std::log(u1));
    const float theta = 2.0f * std::numbers::pi_v<float> * u2;
    block[j] = radius * std::cos(theta);
    block[j + 8] = radius * std::sin(theta);
  }
}

}  // namespace

Generator::Generator(uint64_t seed) {
  state_[0] = static_cast<uint32_t>(seed);
  for (uint32_t i = 1; i < kN; ++i) state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
}

Generator Generator::like_python(uint64_t seed) {
  // init_by_array of Matsumoto and Nishimura over the seed's 32-bit words, low word first.
  const uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  const uint32_t length = key[1] == 0 ? 1 : 2;
  Generator generator(19650218);
  auto& state = generator.state_;
  uint32_t i = 1, j = 0;
  const auto advance = [&] {
    if (++i < kN) return;
    state[0] = state[kN - 1];
    i = 1;
  };
  for (int k = 0; k < kN; ++k) {
    state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1664525u)) + key[j] + j;
    advance();
    if (++j == length) j = 0;
  }
  for (int k = 0; k < kN - 1; ++k) {
    state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1566083941u)) - i;
    advance();
  }
  state[0] = 0x80000000u;
  return generator;
}

void Generator::refill() {
  for (int i = 0; i < kN; ++i) {
    const uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % kN] & 0x7fffffffu);
    state_[i] = state_[(i + kM) % kN] ^ (y >> 1) ^ ((y & 1u) ? 0x9908b0dfu : 0u);
  }
  next_ = 0;
}

uint32_t Generator::next_u32() {
  if (next_ == kN) refill();
  uint32_t y = state_[next_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

uint64_t Generator::next_u64() {
  const uint64_t high = next_u32();
  return (high << 32) | next_u32();
}

double Generator::next_normal() {
  if (has_cached_) {
    has_cached_ = false;
    return cached_;
  }
  constexpr uint64_t kMantissa = (uint64_t{1} << 53) - 1;
  const double u1 = static_cast<double>(next_u64() & kMantissa) * 0x1p-53;
  const double u2 = static_cast<double>(next_u64() & kMantissa) * 0x1p-53;
  const double radius = std::sqrt(-2.0 * std::log1p(-u2)), theta = 2.0 * std::numbers::pi * u1;
  cached_ = radius * std::sin(theta);
  has_cached_ = true;
  return radius * std::cos(theta);
}

void Generator::rand(std::span<float> out) {
  for (float& x : out) x = to_unit(next_u32());
}

void Generator::randn(std::span<float> out) {
  if (out.size() < 16) {
    for (float& x : out) x = static_cast<float>(next_normal());
    return;
  }
  rand(out);
  for (size_t i = 0; i + 16 <= out.size(); i += 16) transform_block(&out[i]);
  if (out.size() % 16 == 0) return;
  const std::span<float> tail = out.last(16);
  rand(tail);
  transform_block(tail.data());
}

}  // namespace nibble
