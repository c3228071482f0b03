// SHA-256 (FIPS 180-4), to know published files by their checksum.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace nibble {

class Sha256 {
 public:
  void add(const void* bytes, size_t count);
  std::string hex();  // 64 lower-case digits of everything added; nothing may be added afterwards

 private:
  void add_block(const uint8_t* block);

  std::array<uint32_t, 8> state_{0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
  std::array<uint8_t, 64> rest_{};
  uint64_t length_ = 0;  // bytes added
};

}  // namespace nibble
