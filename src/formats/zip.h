// The directory of a zip file, Zip64 included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace nibble {

// For files whose entries are stored (not compressed), as torch writes them: bytes of every entry by name, inside
// `bytes`; those whose path has the part `left_out` ("/code/") are passed over. Entries that are compressed or
// encrypted are refused with Unsupported, damaged directories with Corrupt; `what` names the file in the message.
std::unordered_map<std::string, std::span<const std::byte>> read_stored_zip(std::span<const std::byte> bytes,
                                                                            const std::string& what,
                                                                            std::string_view left_out = {});

enum class ZipMethod : uint16_t { Stored = 0, Deflated = 8 };

struct ZipMember {
  ZipMethod method;
  std::span<const std::byte> stored;  // inside the file
  uint64_t size;                      // unpacked, as the directory says
};

// Entries stored or deflated, others and encrypted ones are refused with Unsupported, damaged directories with Corrupt.
std::unordered_map<std::string, ZipMember> read_zip(std::span<const std::byte> bytes, const std::string& what);

}  // namespace nibble
