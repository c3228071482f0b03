// Folders in the diffusers layout: model_index.json names the parts, each part is a sub-folder with a config and
// weights.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace nibble {

struct ModelComponent {
  std::string name;        // "unet"; the folder's own name for a folder of one part
  std::string library;     // "diffusers", "transformers"
  std::string class_name;  // "UNet2DConditionModel"
  std::filesystem::path folder;
  Json config;  // config.json, scheduler_config.json, …; null when the part has none
  std::optional<std::filesystem::path>
      weights;  // for open_weights(): a file or an index; empty for parts without weights
};

struct ModelFolder {
  std::filesystem::path path;
  std::string pipeline;  // "StableDiffusionPipeline"; empty for a folder of one part
  Json index;            // model_index.json
  std::vector<ModelComponent> components;
  std::vector<std::string> missing;  // one sentence each: "unet: no weight file; want …"

  const ModelComponent* find(std::string_view name) const;  // nullptr when absent
};

// `variant` prefers e.g. "fp16" files ("model.fp16.safetensors") over plain ones; plain ones are preferred otherwise.
// What is missing is listed, not thrown. Throws NotFound when `path` is no model folder, Corrupt for broken JSON.
ModelFolder read_model_folder(const std::filesystem::path& path, const std::string& variant = {});

bool is_model_folder(const std::filesystem::path& path);

// The weight file of one part: safetensors before torch pickles, a single file before an index of shards.
std::optional<std::filesystem::path> find_weight_file(const std::filesystem::path& folder,
                                                      const std::string& variant = {});
std::string describe_weight_files();  // for messages: "diffusion_pytorch_model.safetensors, …"

// A JSON object from a file of at most 2 MB.
Json read_config(const std::filesystem::path& file);

}  // namespace nibble
