// Named tensors in a file of any supported format: safetensors, sharded safetensors, torch pickle, npy.
// Tensors are views of the memory-mapped file; only strided or misaligned ones are copied. Nothing in a file is ever
// executed.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace nibble {

struct WeightTable;

struct TensorInfo {
  std::string name;
  DType dtype = DType::F32;
  Shape shape;

  size_t bytes() const { return static_cast<size_t>(shape.count()) * bytes_of(dtype); }
};

using Metadata = std::map<std::string, std::string>;

// A cheap handle; copies share the mapping, and so do the tensors it gives out, which may outlive it.
class WeightFile {
 public:
  explicit WeightFile(WeightTable table);

  const std::filesystem::path& path() const;
  const std::string& format() const;               // "safetensors", "sharded safetensors", "torch", "npy"
  const std::vector<TensorInfo>& tensors() const;  // in file order, names unique
  const Metadata& metadata() const;                // safetensors __metadata__, or the scalars of a pickle
  size_t bytes() const;                            // of all tensors

  const TensorInfo* info(std::string_view name) const;  // nullptr when absent
  bool has(std::string_view name) const { return info(name) != nullptr; }
  std::optional<Tensor> find(std::string_view name) const;
  Tensor get(std::string_view name) const;  // throws Error{NotFound}

  // Lets the system forget the mapped pages (of one tensor); they are read again from the file when touched.
  void drop_pages() const;
  void drop_pages(std::string_view name) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// Opens a weight file, a *.safetensors.index.json, or a folder that holds one of them; the kind is told by the content.
// Throws NotFound, Io, Corrupt (with the remedy) or Unsupported.
WeightFile open_weights(const std::filesystem::path& path);

}  // namespace nibble
