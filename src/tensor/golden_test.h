// Test support: the tensors of a golden case's data.safetensors, for the modules that may not include formats/.
#pragma once

#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "tensor/tensor.h"

namespace nibble {

class GoldenFile {
 public:
  explicit GoldenFile(const std::filesystem::path& file) {
    const std::string bytes = read_file(file);
    uint64_t header_size = 0;
    NIBBLE_CHECK(bytes.size() >= sizeof header_size);
    std::memcpy(&header_size, bytes.data(), sizeof header_size);
    const Json header = parse_json(std::string_view(bytes).substr(8, header_size), file.string());
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") continue;
      const auto dims = entry.at("shape").get<std::vector<int64_t>>();
      const auto dtype = dtype_from_safetensors(entry.at("dtype").get<std::string>());
      NIBBLE_CHECK(dtype.has_value(), "{}: dtype {}", name, entry.at("dtype").get<std::string>());
      Tensor tensor = Tensor::zeros(*dtype, Shape(dims));
      const size_t begin = entry.at("data_offsets").at(0).get<size_t>() + 8 + header_size;
      NIBBLE_CHECK(begin + tensor.bytes() <= bytes.size());
      if (tensor.bytes() > 0) std::memcpy(tensor.mutable_data(), bytes.data() + begin, tensor.bytes());
      tensors_.emplace(name, tensor);
    }
  }

  const Tensor& operator[](const std::string& name) const {
    const auto found = tensors_.find(name);
    NIBBLE_CHECK(found != tensors_.end(), "golden tensor {}", name);
    return found->second;
  }
  bool has(const std::string& name) const { return tensors_.contains(name); }
  std::vector<std::string> names(std::string_view prefix = {}) const {
    std::vector<std::string> out;
    for (const auto& [name, tensor] : tensors_) {
      if (name.starts_with(prefix)) out.push_back(name);
    }
    return out;
  }
  // A U8 tensor as text.
  std::string text(const std::string& name) const {
    const auto bytes = (*this)[name].values<uint8_t>();
    return {bytes.begin(), bytes.end()};
  }

 private:
  std::map<std::string, Tensor> tensors_;
};

}  // namespace nibble
