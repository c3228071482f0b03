#include "formats/model_folder.h"

#include <algorithm>

#include "base/error.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

// In order of preference; <v> is "" or ".fp16".
struct WeightName {
  const char* stem;
  const char* extension;
};
constexpr WeightName kWeightNames[] = {
    {"diffusion_pytorch_model", ".safetensors"},
    {"model", ".safetensors"},
    {"diffusion_pytorch_model", ".safetensors.index.json"},
    {"model", ".safetensors.index.json"},
    {"diffusion_pytorch_model", ".bin"},
    {"pytorch_model", ".bin"},
};

enum class PartKind { Weights, Scheduler, Tokenizer, Processor };

struct PartRule {
  PartKind kind;
  std::vector<const char*> configs;  // the first that exists is the part's config
};

PartRule rule_for(const std::string& class_name) {
  const auto has = [&](const char* word) { return class_name.find(word) != std::string::npos; };
  if (has("Scheduler")) return {PartKind::Scheduler, {"scheduler_config.json"}};
  if (has("Tokenizer")) return {PartKind::Tokenizer, {"tokenizer_config.json"}};
  if (has("Processor") || has("FeatureExtractor")) return {PartKind::Processor, {"preprocessor_config.json"}};
  return {PartKind::Weights, {"config.json"}};
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::optional<fs::path> find_exact(const fs::path& folder, const std::string& variant, bool safetensors) {
  const std::string dot = variant.empty() ? "" : "." + variant;
  for (const WeightName& name : kWeightNames) {
    const std::string_view extension = name.extension;
    if (extension.starts_with(".safetensors") != safetensors) continue;
    // An index carries the variant before ".safetensors" or (newer) before ".json": both spellings are in use.
    std::vector<std::string> spellings{name.stem + dot + name.extension};
    if (extension.ends_with(".json"))
      spellings.push_back(std::string(name.stem) + ".safetensors.index" + dot + ".json");
    for (const std::string& spelling : spellings)
      if (is_there(folder / spelling)) return folder / spelling;
  }
  return std::nullopt;
}

bool has_tokenizer_files(const fs::path& folder) {
  return is_there(folder / "tokenizer.json") || is_there(folder / "spiece.model") ||
         (is_there(folder / "vocab.json") && is_there(folder / "merges.txt"));
}

// Parts that a picture needs no file from.
bool is_optional(const std::string& name) {
  return name == "safety_checker" || name == "feature_extractor" || name == "image_encoder" || name == "watermark";
}

ModelComponent read_component(const std::string& name, const std::string& library, const std::string& class_name,
                              const fs::path& folder, const std::string& variant, std::vector<std::string>& missing) {
  ModelComponent part{.name = name, .library = library, .class_name = class_name, .folder = folder};
  if (!is_there(folder)) {
    if (!is_optional(name)) missing.push_back(format("{}: no folder {}", name, folder.string()));
    return part;
  }
  const PartRule rule = rule_for(class_name);
  for (const char* config : rule.configs)
    if (part.config.is_null() && is_there(folder / config)) part.config = read_config(folder / config);
  if (part.config.is_null() && rule.kind != PartKind::Tokenizer && !is_optional(name))
    missing.push_back(format("{}: no {}", name, rule.configs.front()));
  if (rule.kind == PartKind::Weights) {
    part.weights = find_weight_file(folder, variant);
    if (!part.weights && !is_optional(name))
      missing.push_back(format("{}: no weight file; want {}", name, describe_weight_files()));
  }
  if (rule.kind == PartKind::Tokenizer && !has_tokenizer_files(folder))
    missing.push_back(format("{}: no vocabulary; want vocab.json and merges.txt, or tokenizer.json", name));
  return part;
}

std::string class_of(const Json& config) {
  if (const auto found = config.find("_class_name"); found != config.end() && found->is_string())
    return found->get<std::string>();
  const auto found = config.find("architectures");
  if (found != config.end() && found->is_array() && !found->empty() && found->front().is_string())
    return found->front().get<std::string>();
  return {};
}

// {"name": [library, class], "_class_name": …}; [null, null] marks a part that this model leaves out.
void read_index(ModelFolder& model, const std::string& variant) {
  model.index = read_config(model.path / "model_index.json");
  model.pipeline = class_of(model.index);
  for (const auto& [name, entry] : model.index.items()) {
    if (!entry.is_array()) continue;
    if (name.find('/') != std::string::npos || name.find("..") != std::string::npos)
      fail(ErrorCode::Corrupt, "file {}: part {}: want the plain name of a sub-folder",
           (model.path / "model_index.json").string(), name);
    const bool absent = entry.size() == 2 && (entry[0].is_null() || entry[1].is_null());
    if (absent) continue;
    if (entry.size() != 2 || !entry[0].is_string() || !entry[1].is_string())
      fail(ErrorCode::Corrupt, "file {}: part {}: want [library, class], found {}",
           (model.path / "model_index.json").string(), name, entry.dump(-1, ' ', true).substr(0, 80));
    model.components.push_back(read_component(name, entry[0].get<std::string>(), entry[1].get<std::string>(),
                                              model.path / name, variant, model.missing));
  }
  if (model.components.empty())
    fail(ErrorCode::Corrupt, "file {}: names no parts", (model.path / "model_index.json").string());
}

}  // namespace

const ModelComponent* ModelFolder::find(std::string_view name) const {
  for (const ModelComponent& part : components)
    if (part.name == name) return &part;
  return nullptr;
}

bool is_model_folder(const fs::path& path) {
  return is_there(path / "model_index.json") || is_there(path / "config.json");
}

ModelFolder read_model_folder(const fs::path& path, const std::string& variant) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) fail(ErrorCode::NotFound, "model {}: no such folder", path.string());
  ModelFolder model{.path = path};
  if (is_there(path / "model_index.json")) {
    read_index(model, variant);
    return model;
  }
  if (!is_there(path / "config.json"))
    fail(ErrorCode::NotFound, "model {}: want a folder with model_index.json (a pipeline) or config.json (one part)",
         path.string());
  const std::string class_name = class_of(read_config(path / "config.json"));
  const fs::path named = path.has_filename() ? path : path.parent_path();
  const std::string library =
      class_name.starts_with("CLIP") || class_name.starts_with("T5") ? "transformers" : "diffusers";
  model.components.push_back(
      read_component(named.filename().string(), library, class_name, path, variant, model.missing));
  return model;
}

std::optional<fs::path> find_weight_file(const fs::path& folder, const std::string& variant) {
  for (const bool safetensors : {true, false}) {
    if (!variant.empty())
      if (auto found = find_exact(folder, variant, safetensors)) return found;
    if (auto found = find_exact(folder, "", safetensors)) return found;
    if (variant.empty())
      for (const char* other : {"fp16", "bf16"})
        if (auto found = find_exact(folder, other, safetensors)) return found;
  }
  return std::nullopt;
}

std::string describe_weight_files() {
  std::vector<std::string> names;
  for (const WeightName& name : kWeightNames) names.push_back(std::string(name.stem) + name.extension);
  return format("{}", fmt::join(names, ", "));
}

Json read_config(const fs::path& file) {
  constexpr uintmax_t kMaxBytes = 2'000'000;
  std::error_code error;
  const uintmax_t size = fs::file_size(file, error);
  if (!error && size > kMaxBytes)
    fail(ErrorCode::Corrupt, "file {}: has {} bytes, want a JSON config of at most {}", file.string(), size, kMaxBytes);
  Json json = read_json_file(file);
  if (!json.is_object())
    fail(ErrorCode::Corrupt, "file {}: want a JSON object, found {}", file.string(), json.type_name());
  return json;
}

}  // namespace nibble
