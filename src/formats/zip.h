// The directory of a zip file, for files whose entries are stored (not compressed), as torch writes them. Zip64
// included.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace nibble {

// Bytes of every entry by name, inside `bytes`; those whose path has the part `left_out` ("/code/") are passed over. Entries
// that are compressed or encrypted are refused with Unsupported, damaged directories with Corrupt; `what` names the file in
// the message.
std::unordered_map<std::string, std::span<const std::byte>> read_stored_zip(std::span<const std::byte> bytes,
                                                                            const std::string& what,
                                                                            std::string_view left_out = {});

}  // namespace nibble
