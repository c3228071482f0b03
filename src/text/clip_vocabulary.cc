#include <cstddef>

#include "base/check.h"
#include "base/inflate.h"
#include "text/clip_files.h"

// The compressed file, placed into the read-only data by the assembler.
asm(".section .rodata\n"
    ".balign 16\n"
    ".globl nibble_clip_vocabulary_begin\n"
    ".hidden nibble_clip_vocabulary_begin\n"
    "nibble_clip_vocabulary_begin:\n"
    ".incbin \"" NIBBLE_CLIP_VOCABULARY
    "\"\n"
    ".globl nibble_clip_vocabulary_end\n"
    ".hidden nibble_clip_vocabulary_end\n"
    "nibble_clip_vocabulary_end:\n"
    ".byte 0\n"
    ".previous\n");
extern "C" const unsigned char nibble_clip_vocabulary_begin[];
extern "C" const unsigned char nibble_clip_vocabulary_end[];

namespace nibble {
namespace {

constexpr size_t kMergeCount = 49152 - 256 - 2, kLargestText = 16 << 20;

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
  const std::span packed(nibble_clip_vocabulary_begin, nibble_clip_vocabulary_end);
  definition.merges =
      first_merges(inflate_bytes(std::as_bytes(packed), Deflated::Gzip, kLargestText, "packaged CLIP vocabulary"));
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
