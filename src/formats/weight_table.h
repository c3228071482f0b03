// What a format reader produces: where each tensor lies in a mapped file. For the readers of this folder.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/file.h"
#include "formats/weight_file.h"

namespace nibble {

using FilePtr = std::shared_ptr<const MappedFile>;

struct StoredTensor {
  TensorInfo info;
  const std::byte* data = nullptr;  // first element, inside `file`
  std::vector<int64_t> strides;     // in elements; empty means contiguous
  FilePtr file;
};

struct WeightTable {
  std::filesystem::path path;
  std::string format;
  std::vector<StoredTensor> tensors;
  Metadata metadata;
};

// Every reader refuses files with more tensors than this, so that a hostile header cannot exhaust memory.
constexpr size_t kMaxTensors = 200'000;

// Names of tensors that only align the next one; no reader lists them.
constexpr std::string_view kPadTensorPrefix = "__pad__.";

WeightTable read_safetensors(FilePtr file);
WeightTable read_safetensors_index(const std::filesystem::path& index);
WeightTable read_torch_zip(FilePtr file);
WeightTable read_torch_legacy(FilePtr file);
WeightTable read_npy(FilePtr file);

// Where the array of .npy bytes lies. `name` stands for the file in messages.
struct NpyLayout {
  TensorInfo info;
  size_t offset = 0;
  std::vector<int64_t> strides;  // as StoredTensor's
};
NpyLayout read_npy_layout(std::span<const std::byte> bytes, const std::string& name);

// Checks rank, signs and overflow. `where` begins the message: "file x.safetensors: tensor y".
Shape checked_shape(std::span<const int64_t> dims, DType dtype, const std::string& where);

}  // namespace nibble
