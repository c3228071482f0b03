#include "base/sha256.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace nibble {
namespace {

// The first 32 fractional bits of the cube roots of the first 64 primes; a long double holds them with bits to spare.
std::array<uint32_t, 64> round_constants() {
  std::array<uint32_t, 64> constants{};
  size_t count = 0;
  for (int n = 2; count < constants.size(); ++n) {
    bool prime = true;
    for (int d = 2; d * d <= n; ++d) prime = prime && n % d != 0;
    if (!prime) continue;
    const long double root = std::cbrt(static_cast<long double>(n));
    constants[count++] = static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0L);
  }
  return constants;
}

uint32_t big_endian(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

}  // namespace

void Sha256::add_block(const uint8_t* block) {
  static const std::array<uint32_t, 64> kRound = round_constants();
  std::array<uint32_t, 64> w;
  for (size_t i = 0; i < 16; ++i) w[i] = big_endian(block + 4 * i);
  for (size_t i = 16; i < 64; ++i) {
    const uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
    const uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (size_t i = 0; i < 64; ++i) {
    const uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRound[i] + w[i];
    const uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const uint32_t worked[] = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < 8; ++i) state_[i] += worked[i];
}

void Sha256::add(const void* bytes, size_t count) {
  const uint8_t* next = static_cast<const uint8_t*>(bytes);
  size_t held = length_ % 64;
  length_ += count;
  if (held > 0) {
    const size_t taken = std::min(count, 64 - held);
    std::memcpy(rest_.data() + held, next, taken);
    next += taken, count -= taken, held += taken;
    if (held < 64) return;
    add_block(rest_.data());
  }
  for (; count >= 64; next += 64, count -= 64) add_block(next);
  if (count > 0) std::memcpy(rest_.data(), next, count);
}

std::string Sha256::hex() {
  constexpr std::array<uint8_t, 64> kPadding{0x80};
  const uint64_t bits = 8 * length_;
  const size_t held = length_ % 64;
  add(kPadding.data(), held < 56 ? 56 - held : 120 - held);
  std::array<uint8_t, 8> size;
  for (size_t i = 0; i < 8; ++i) size[i] = static_cast<uint8_t>(bits >> (56 - 8 * i));
  add(size.data(), size.size());
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint32_t word : state_)
    for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[word >> shift & 15];
  return text;
}

}  // namespace nibble
