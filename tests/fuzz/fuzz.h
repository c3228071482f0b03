// Shared by the fuzz targets: bytes become a file in memory, which a reader opens; Error is the only way out besides
// success.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "formats/weight_table.h"

namespace nibble::fuzz {

// A file without a name on disk, seen as /proc/self/fd/<n>.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : descriptor_(::memfd_create("fuzz", 0)) {
    if (descriptor_ < 0 || ::write(descriptor_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~MemoryFile() { ::close(descriptor_); }
  std::filesystem::path path() const { return format("/proc/self/fd/{}", descriptor_); }

 private:
  int descriptor_;
};

inline void read_all(WeightTable table) {
  const WeightFile weights(std::move(table));
  for (const TensorInfo& info : weights.tensors()) weights.get(info.name);
}

template <typename Reader>
int run(const uint8_t* data, size_t size, Reader reader) {
  const MemoryFile file(data, size);
  try {
    reader(file.path());
  } catch (const Error& e) {
    if (e.code() == ErrorCode::Internal) std::abort();
  }
  return 0;
}

}  // namespace nibble::fuzz
