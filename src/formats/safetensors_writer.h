// Writes a safetensors file tensor by tensor, so that no model needs to be in memory at once. Same input, same bytes.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "formats/weight_file.h"

namespace nibble {

enum class SafetensorsLayout {
  Plain,    // tensors back to back, as every other writer does; for files that other programs read
  Aligned,  // every tensor starts at a multiple of 64 bytes of the file, after a U8 tensor "__pad__.<n>" where needed
};

class SafetensorsWriter {
 public:
  // Writes the header at once: names, dtypes and shapes of all tensors in the order in which they will follow.
  // The file appears under its name at finish(). Throws InvalidArgument for duplicate or reserved names, Io.
  SafetensorsWriter(const std::filesystem::path& file, std::vector<TensorInfo> tensors, const Metadata& metadata = {},
                    SafetensorsLayout layout = SafetensorsLayout::Aligned);

  void write(const Tensor& tensor);                   // the next tensor; dtype and shape must be the announced ones
  void write_bytes(const void* bytes, size_t count);  // the next part of the next tensor
  void finish();                                      // throws Internal when tensors are missing

 private:
  void begin_tensor();

  AtomicFile out_;
  std::vector<TensorInfo> tensors_;
  std::vector<size_t> pads_;  // bytes before each tensor
  size_t next_ = 0;           // tensor being written
  size_t left_ = 0;           // its bytes still to come
  bool begun_ = false;
};

void write_safetensors(const std::filesystem::path& file, const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const Metadata& metadata = {}, SafetensorsLayout layout = SafetensorsLayout::Aligned);

}  // namespace nibble
