// Whole files, atomic writes and memory maps.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace nibble {

std::string read_file(const std::filesystem::path& file);

// Writes to a temporary beside `file` and renames it; on any error the temporary is removed and `file` is untouched.
void write_file(const std::filesystem::path& file, std::string_view bytes);

// Writes a file piece by piece with the same guarantee. commit() renames; without it the destructor removes the temporary.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path file);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* bytes, size_t count);
  void commit();

 private:
  std::filesystem::path file_, temporary_;
  int descriptor_ = -1;
};

// A whole file mapped read-only; shared by the tensors that view it.
class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  // Tells the system that these pages will not be used soon; they are read again from the file when touched.
  void drop_pages(const void* begin, size_t count) const;

 private:
  MappedFile() = default;
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace nibble
