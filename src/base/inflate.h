// Decompression of deflate streams and the checksum of zip; the one user of zlib.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace nibble {

enum class Deflated { Raw, Gzip };  // as inside zip files; with gzip's header and checksum

// All of it. Throws Error{Corrupt}, `what` first, where the data are damaged, truncated, or larger than `largest` when
// unpacked.
std::string inflate_bytes(std::span<const std::byte> data, Deflated kind, size_t largest, const std::string& what);

// The checksum of zip's entries.
uint32_t crc32_of(std::span<const std::byte> data);

}  // namespace nibble
