// Test support: damaged and hostile weight files, built in memory from a fixed list and a seeded generator.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace nibble::hostile {

struct File {
  std::string what;  // for messages
  std::string name;  // of the file to write
  std::string bytes;
};

inline std::string little(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(i < 8 ? static_cast<char>(value >> (8 * i) & 0xff) : '\0');
  return out;
}

inline std::string times(std::string_view text, size_t count) {
  std::string out;
  out.reserve(text.size() * count);
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

inline std::string safetensors(const std::string& header, size_t data_bytes) {
  return little(header.size(), 8) + header + std::string(data_bytes, '\0');
}

// --- pickles -----------------------------------------------------------------------------------------------------

inline std::string text(std::string_view value) {
  return std::string("X").append(little(value.size(), 4)).append(value);
}
inline std::string integer(int64_t value) {
  return std::string("\x8a\x08").append(little(static_cast<uint64_t>(value), 8));
}
inline std::string tuple(const std::vector<int64_t>& values) {
  std::string out = "(";
  for (const int64_t value : values) out += integer(value);
  return out + "t";
}

struct TensorText {
  std::string storage = "torch\nFloatStorage\n";
  std::string key = "0";
  int64_t count = 4, offset = 0;
  std::vector<int64_t> shape = {2, 2}, strides = {2, 1};
};

inline std::string tensor(const TensorText& t) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "c" + t.storage + text(t.key) + text("cpu") +
         integer(t.count) + "tQ" + integer(t.offset) + tuple(t.shape) + tuple(t.strides) + "\x89}tR";
}

inline std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }
inline std::string dictionary(const std::string& value) { return pickle("}(" + text("a") + value + "u"); }

// --- zip files ---------------------------------------------------------------------------------------------------

struct ZipEntry {
  std::string name, bytes;
  uint16_t method = 0, flags = 0;
  int64_t stored_more = 0, size_more = 0, offset_more = 0;  // lies
  std::string local_name = {}, extra = {};
};

struct ZipLies {
  int64_t entries = 0, directory_bytes = 0, directory_offset = 0;  // added to the truth
  std::string before_end = {}, after_end = {};
  uint16_t comment = 0;
  bool all_ones = false;  // the end record refers to zip64
};

inline std::string zip(const std::vector<ZipEntry>& entries, const ZipLies& lies = {}) {
  std::string out, directory;
  for (const ZipEntry& e : entries) {
    const std::string& local = e.local_name.empty() ? e.name : e.local_name;
    const uint64_t offset = out.size() + static_cast<uint64_t>(e.offset_more);
    const std::string sizes = little(e.bytes.size() + static_cast<uint64_t>(e.stored_more), 4) +
                              little(e.bytes.size() + static_cast<uint64_t>(e.size_more), 4);
    const std::string common = little(e.flags, 2) + little(e.method, 2) + little(0, 8) + sizes;
    out += "PK\x03\x04" + little(0, 2) + common + little(local.size(), 2) + little(0, 2) + local + e.bytes;
    directory += "PK\x01\x02" + little(0, 4) + common + little(e.name.size(), 2) + little(e.extra.size(), 2) +
                 little(0, 10) + little(offset, 4) + e.name + e.extra;
  }
  const uint64_t at = out.size() + static_cast<uint64_t>(lies.directory_offset);
  const uint64_t count = entries.size() + static_cast<uint64_t>(lies.entries);
  const uint64_t size = directory.size() + static_cast<uint64_t>(lies.directory_bytes);
  out += directory + lies.before_end + "PK\x05\x06" + little(0, 4);
  out +=
      lies.all_ones ? std::string(12, '\xff') : little(count, 2) + little(count, 2) + little(size, 4) + little(at, 4);
  return out + little(lies.comment, 2) + lies.after_end;
}

// Sixteen bytes of storage "0" beside the pickle.
inline std::string torch_zip(const std::string& data_pkl) {
  return zip({{"archive/data.pkl", data_pkl}, {"archive/data/0", std::string(16, '\1')}});
}

inline std::string npy(const std::string& header, size_t data_bytes, char version = 1) {
  return std::string("\x93NUMPY") + version + '\0' + little(header.size(), version == 1 ? 2 : 4) + header +
         std::string(data_bytes, '\0');
}

std::vector<File> safetensors_files();
std::vector<File> pickle_files();
std::vector<File> zip_files();
std::vector<File> npy_files();
std::vector<File> index_files();

}  // namespace nibble::hostile
