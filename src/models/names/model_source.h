// One view of a model, wherever it comes from: a diffusers folder, a single file in the original naming, a one-file
// model written by `nibble convert`, or one part alone. Parts have diffusers' names, configs and parameter names.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "formats/model_folder.h"
#include "models/names/deduced_configs.h"
#include "models/names/named_tensors.h"

namespace nibble::models {

enum class ModelLayout : uint8_t { Folder, Original, OneFile, SinglePart, Unknown };
const char* to_string(ModelLayout layout);  // "diffusers folder", "original single file", "nibble file", "one part", "unknown"

struct ModelPart {
  std::string name;        // "unet", "vae", "text_encoder", "text_encoder_2", "scheduler", "tokenizer", "tokenizer_2"
  std::string class_name;  // "UNet2DConditionModel", …
  Json config;             // published, or deduced from shapes; null where there is none
  std::string where;       // for messages: "folder/unet/config.json"
  std::filesystem::path weights;  // empty: no tensors
};

class ModelSource {
 public:
  std::filesystem::path path;
  ModelLayout layout = ModelLayout::Folder;
  Family family = Family::Unknown;
  std::vector<ModelPart> parts;
  std::vector<std::string> missing;  // one sentence each
  std::vector<std::string> found;    // what an unknown file seems to hold

  const ModelPart* find(std::string_view part) const;  // nullptr when absent
  const ModelPart& get(std::string_view part) const;   // throws NotFound saying what the model has

  // Opens the part's tensors (its file is mapped now, not before). Throws NotFound when it has none.
  NamedTensors tensors(std::string_view part) const;
  std::shared_ptr<const WeightSource> weights(std::string_view part) const;

  // How a quantized file was made (kQuantizationKey, docs/format.md); null for other models and where the record is
  // damaged.
  Json quantization() const;

  // A small file of a part, e.g. ("tokenizer", "vocab.json"); nothing when the model does not carry it.
  std::optional<std::string> read_text(std::string_view part, const std::string& file) const;
};

// `variant` as in read_model_folder(). Throws NotFound, Corrupt, Unsupported. A file of no known family is no error
// here: see `found`.
ModelSource open_model(const std::filesystem::path& path, const std::string& variant = {});

// The metadata keys of a one-file model; its tensors are "<part>.<diffusers name>".
constexpr const char* kOneFileKey = "nibble";  // JSON {"format", "family", "parts": {name: {"class", "config"}}}
constexpr const char* kOneFileTextPrefix = "nibble.text/";  // + "tokenizer/vocab.json": the file's content
constexpr int kOneFileFormat = 1;

}  // namespace nibble::models
