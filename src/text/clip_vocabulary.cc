#include <zlib.h>

#include <array>
#include <cstddef>

#include "base/check.h"
#include "text/clip_files.h"

// The compressed file, placed into the read-only data by the assembler.
asm(".section .rodata\n"
    ".balign 16\n"
    ".globl nibble_clip_vocabulary_begin\n"
    ".hidden nibble_clip_vocabulary_begin\n"
    "nibble_clip_vocabulary_begin:\n"
    ".incbin \"" NIBBLE_CLIP_VOCABULARY "\"\n"
    ".globl nibble_clip_vocabulary_end\n"
    ".hidden nibble_clip_vocabulary_end\n"
    "nibble_clip_vocabulary_end:\n"
    ".byte 0\n"
    ".previous\n");
extern "C" const unsigned char nibble_clip_vocabulary_begin[];
extern "C" const unsigned char nibble_clip_vocabulary_end[];

namespace nibble {
namespace {

constexpr size_t kMergeCount = 49152 - 256 - 2;

std::string inflate_gzip(const unsigned char* begin, const unsigned char* end) {
  z_stream stream{};
  NIBBLE_CHECK(inflateInit2(&stream, MAX_WBITS + 16) == Z_OK);
  stream.next_in = const_cast<unsigned char*>(begin);
  stream.avail_in = static_cast<unsigned>(end - begin);
  std::string out;
  std::array<unsigned char, 1 << 16> buffer;
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_out = buffer.data();
    stream.avail_out = static_cast<unsigned>(buffer.size());
    status = inflate(&stream, Z_NO_FLUSH);
    out.append(reinterpret_cast<const char*>(buffer.data()), buffer.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  NIBBLE_CHECK(status == Z_STREAM_END, "packaged CLIP vocabulary: zlib status {}", status);
  return out;
}

Bpe::Merges first_merges(std::string_view lines) {
  Bpe::Merges merges;
  merges.reserve(kMergeCount);
  lines.remove_prefix(lines.find('\n') + 1);  // a header
  while (merges.size() < kMergeCount) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    const size_t space = line.find(' ');
    NIBBLE_CHECK(space != std::string_view::npos, "packaged CLIP vocabulary: bad line {}", merges.size() + 2);
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    lines.remove_prefix(line.size() + 1);
  }
  return merges;
}

}  // namespace

ClipDefinition packaged_clip_definition(std::string_view pad) {
  ClipDefinition definition;
  definition.merges = first_merges(inflate_gzip(nibble_clip_vocabulary_begin, nibble_clip_vocabulary_end));
  int32_t next = 0;
  const auto add = [&](std::string token) { definition.vocabulary.emplace(std::move(token), next++); };
  for (const std::string_view suffix : {std::string_view(), kWordEnd}) {
    // The bytes that stand for themselves come first.
    for (const bool printable : {true, false}) {
      for (int byte = 0; byte < 256; ++byte) {
        if (is_own_symbol(static_cast<uint8_t>(byte)) == printable) {
          add(byte_symbol(static_cast<uint8_t>(byte)).append(suffix));
        }
      }
    }
  }
  for (const auto& [left, right] : definition.merges) add(left + right);
  add(definition.start);
  add(definition.end);
  definition.pad = pad;
  const bool pads_with_end = definition.pad == definition.end;
  definition.specials = {{definition.start, true}, {definition.end, !pads_with_end}};
  if (!pads_with_end) definition.specials.push_back({definition.pad, false});
  return definition;
}

}  // namespace nibble
