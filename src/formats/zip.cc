#include "formats/zip.h"

#include <algorithm>
#include <optional>

#include "formats/byte_reader.h"

namespace nibble {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr uint64_t kMaxEntries = 400'000;

struct Directory {
  uint64_t entries = 0, bytes = 0, offset = 0;
};

// The end record is the last 22 bytes, or further forward when a comment of up to 64 kB follows it.
size_t find_end_record(std::span<const std::byte> bytes, const std::string& what) {
  const size_t last = bytes.size() < 22 ? 0 : bytes.size() - 22;
  const size_t first = last > 65535 ? last - 65535 : 0;
  for (size_t at = last + 1; bytes.size() >= 22 && at-- > first;) {
    ByteReader reader(bytes, what);
    reader.seek(at);
    if (reader.u32() != kEnd) continue;
    reader.seek(at + 20);
    if (reader.u16() == bytes.size() - at - 22) return at;
  }
  fail(ErrorCode::Corrupt, "{}: zip file without its directory: truncated at {} bytes; download it again", what,
       bytes.size());
}

Directory find_directory(std::span<const std::byte> bytes, const std::string& what) {
  const size_t end = find_end_record(bytes, what);
  ByteReader reader(bytes, what);
  reader.seek(end + 4);
  if (reader.u32() != 0) fail(ErrorCode::Unsupported, "{}: zip file in several volumes", what);
  Directory directory;
  reader.u16();
  directory.entries = reader.u16();
  directory.bytes = reader.u32();
  directory.offset = reader.u32();
  const bool wants64 = directory.entries == 0xffff || directory.bytes == 0xffffffff || directory.offset == 0xffffffff;
  if (wants64 && end >= 20) {
    reader.seek(end - 20);
    if (reader.u32() == kEnd64Locator) {
      reader.u32();
      reader.seek(std::min<uint64_t>(reader.u64(), bytes.size()));
      if (reader.u32() != kEnd64) fail(ErrorCode::Corrupt, "{}: damaged zip64 end record; download it again", what);
      reader.take(8 + 2 + 2 + 4 + 4 + 8);
      directory = {reader.u64(), reader.u64(), reader.u64()};
    }
  }
  if (directory.offset > end || directory.bytes > end - directory.offset)
    fail(ErrorCode::Corrupt, "{}: zip directory of {} bytes at {} lies outside the file; download it again", what,
         directory.bytes, directory.offset);
  if (directory.entries > kMaxEntries || directory.entries > directory.bytes / 46)
    fail(ErrorCode::Corrupt, "{}: zip directory of {} bytes cannot hold {} entries", what, directory.bytes,
         directory.entries);
  return directory;
}

struct Entry {
  std::string_view name;
  uint64_t stored = 0, size = 0, offset = 0;
  uint16_t method = 0;
};

// Sizes and offset of 0xffffffff are read from the zip64 extra field (id 1), in this order.
void apply_zip64(ByteReader extra, Entry& entry) {
  while (extra.left() >= 4) {
    const uint16_t id = extra.u16(), length = extra.u16();
    if (id != 1) {
      extra.take(length);
      continue;
    }
    for (uint64_t* field : {&entry.size, &entry.stored, &entry.offset})
      if (*field == 0xffffffff) *field = extra.u64();
    return;
  }
}

// Nothing for an entry that is left out.
std::optional<Entry> read_entry(ByteReader& reader, const std::string& what, std::string_view left_out) {
  if (reader.u32() != kCentral) fail(ErrorCode::Corrupt, "{}: damaged zip directory; download it again", what);
  reader.take(4);
  const uint16_t flags = reader.u16();
  Entry entry;
  entry.method = reader.u16();
  reader.take(8);
  entry.stored = reader.u32();
  entry.size = reader.u32();
  const uint16_t name_length = reader.u16(), extra_length = reader.u16(), comment_length = reader.u16();
  reader.take(8);
  entry.offset = reader.u32();
  entry.name = reader.take_text(name_length);
  apply_zip64(ByteReader(reader.take(extra_length), what), entry);
  reader.take(comment_length);
  if (!left_out.empty() && entry.name.find(left_out) != std::string_view::npos) return std::nullopt;
  if ((flags & 1) != 0) fail(ErrorCode::Unsupported, "{}: zip entry {} is encrypted", what, entry.name);
  return entry;
}

void check_stored(const Entry& entry, const std::string& what) {
  if (entry.method != 0)
    fail(ErrorCode::Unsupported, "{}: zip entry {} is compressed (method {}); save it again with torch.save", what,
         entry.name, entry.method);
  if (entry.stored != entry.size)
    fail(ErrorCode::Corrupt, "{}: zip entry {}: stored {} bytes, want {}", what, entry.name, entry.stored, entry.size);
}

std::span<const std::byte> data_of(const Entry& entry, std::span<const std::byte> bytes, const std::string& what) {
  ByteReader reader(bytes, what);
  reader.seek(std::min<uint64_t>(entry.offset, bytes.size()));
  if (reader.u32() != kLocal)
    fail(ErrorCode::Corrupt, "{}: zip entry {}: no entry at byte {}", what, entry.name, entry.offset);
  reader.take(22);
  const uint16_t name_length = reader.u16(), extra_length = reader.u16();
  if (reader.take_text(name_length) != entry.name)
    fail(ErrorCode::Corrupt, "{}: zip entry {}: the entry itself has another name", what, entry.name);
  reader.take(extra_length);
  return reader.take(std::min<uint64_t>(entry.stored, SIZE_MAX));
}

// body(entry, its bytes in the file) for every entry that is not left out.
template <typename Body>
void for_entries(std::span<const std::byte> bytes, const std::string& what, std::string_view left_out,
                 const Body& body) {
  const Directory directory = find_directory(bytes, what);
  ByteReader reader(bytes.subspan(directory.offset, directory.bytes), what);
  for (uint64_t i = 0; i < directory.entries; ++i) {
    const std::optional<Entry> entry = read_entry(reader, what, left_out);
    if (!entry) continue;
    if (!body(*entry, bytes.first(directory.offset)))
      fail(ErrorCode::Corrupt, "{}: zip entry {} appears twice", what, entry->name);
  }
}

}  // namespace

std::unordered_map<std::string, std::span<const std::byte>> read_stored_zip(std::span<const std::byte> bytes,
                                                                            const std::string& what,
                                                                            std::string_view left_out) {
  std::unordered_map<std::string, std::span<const std::byte>> entries;
  for_entries(bytes, what, left_out, [&](const Entry& entry, std::span<const std::byte> from) {
    check_stored(entry, what);
    return entries.emplace(entry.name, data_of(entry, from, what)).second;
  });
  return entries;
}

std::unordered_map<std::string, ZipMember> read_zip(std::span<const std::byte> bytes, const std::string& what) {
  std::unordered_map<std::string, ZipMember> members;
  for_entries(bytes, what, {}, [&](const Entry& entry, std::span<const std::byte> from) {
    const ZipMethod method{entry.method};
    if (method == ZipMethod::Stored) check_stored(entry, what);
    if (method != ZipMethod::Stored && method != ZipMethod::Deflated)
      fail(ErrorCode::Unsupported, "{}: zip entry {}: compression method {}, want stored or deflate", what, entry.name,
           entry.method);
    return members.emplace(entry.name, ZipMember{method, data_of(entry, from, what), entry.size}).second;
  });
  return members;
}

}  // namespace nibble
