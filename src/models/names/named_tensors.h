// The tensors of one part of a model under the names that diffusers and transformers give them, whatever the file calls
// them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/weight_file.h"
#include "nn/scope.h"

namespace nibble::models {

// How the file's tensor becomes the named one. All but Transposed are views.
enum class TensorChange : uint8_t {
  None,
  FirstThird,
  SecondThird,
  LastThird,   // of the rows: fused q, k, v
  Matrix,      // [O, I, 1, 1] -> [O, I]
  Transposed,  // [I, O] -> [O, I]
};

struct TensorAlias {
  std::string source;  // name in the file
  TensorChange change = TensorChange::None;
};

class NamedTensors {
 public:
  NamedTensors(WeightFile file, std::map<std::string, TensorAlias, std::less<>> aliases);

  const WeightFile& file() const { return file_; }
  std::vector<TensorInfo> tensors() const;  // sorted by name
  std::optional<TensorInfo> info(std::string_view name) const;
  bool has(std::string_view name) const { return aliases_.find(name) != aliases_.end(); }
  std::optional<Tensor> find(std::string_view name) const;
  // The record of the quantized layer at this path (kLayersKey), or nothing.
  std::optional<QuantRecord> quantized(const std::string& path) const;
  struct QuantizedLayer {
    std::string path;
    QuantRecord record;
    size_t bytes = 0;  // of everything the layer holds, its bias too
  };
  std::vector<QuantizedLayer> quantized_layers() const;  // sorted by path
  void drop_pages() const;  // of these tensors only
  size_t bytes() const;

 private:
  const TensorAlias* alias_of(std::string_view name) const;
  void find_shared_downs();

  WeightFile file_;
  std::map<std::string, TensorAlias, std::less<>> aliases_;
  std::map<std::string, TensorAlias, std::less<>>
      shared_;                          // names of tensors that are another layer's; not in tensors()
  std::shared_ptr<const Json> layers_;  // null: nothing is quantized
};

// Metadata of a quantized file: JSON {"unet.mid_block…to_q": {"weights", "activations", "group", "rank", "shift", "smoothed",
// "error"}}, keys as in the file.
constexpr const char* kLayersKey = "nibble.layers";
// In a record: the layer, as the keys name it, whose tensor `down` this one reads too.
constexpr const char* kDownOfKey = "down_of";
// JSON: how the file was made (docs/format.md), for people.
constexpr const char* kQuantizationKey = "nibble.quantization";
Json to_json(const QuantRecord& record);

// For nn::Scope; shares the file. `label` names it in messages.
std::shared_ptr<const WeightSource> weight_source(NamedTensors tensors, std::string label);

}  // namespace nibble::models
