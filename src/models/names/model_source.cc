#include "models/names/model_source.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "models/names/original_names.h"

namespace nibble::models {
namespace {

namespace fs = std::filesystem;

struct KnownPrefix {
  const char* prefix;
  const char* what;
};
constexpr KnownPrefix kKnownPrefixes[] = {
    {"double_blocks.", "a FLUX transformer"},
    {"model.diffusion_model.double_blocks.", "a FLUX transformer"},
    {"joint_blocks.", "a Stable Diffusion 3 transformer"},
    {"model.diffusion_model.joint_blocks.", "a Stable Diffusion 3 transformer"},
    {"transformer_blocks.", "a diffusion transformer"},
    {"single_transformer_blocks.", "a diffusion transformer"},
    {"control_model.", "a ControlNet"},
    {"controlnet_cond_embedding.", "a ControlNet"},
    {"lora_unet_", "a LoRA for a UNet"},
    {"lora_te", "a LoRA for a text encoder"},
    {"model.diffusion_model.", "a denoising network"},
    {"first_stage_model.", "an autoencoder"},
    {"cond_stage_model.", "a text encoder"},
    {"conditioner.", "text encoders"},
};

Json part_index(const WeightFile& file) {
  const auto header = file.metadata().find(kOneFileKey);
  return header == file.metadata().end() ? Json() : parse_json(header->second, file.path().string() + " header");
}

std::string string_of(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Family family_of_unet(const Json& config, bool has_first_encoder) {
  if (!config.is_object() || string_of(config, "_class_name") != "UNet2DConditionModel") return Family::Unknown;
  if (string_of(config, "addition_embed_type") == "text_time") {
    const auto projection = config.find("projection_class_embeddings_input_dim");
    const bool refiner = !has_first_encoder && projection != config.end() && *projection == 2560;
    return refiner ? Family::SdxlRefiner : Family::Sdxl;
  }
  const auto linear = config.find("use_linear_projection");
  return linear != config.end() && linear->is_boolean() && linear->get<bool>() ? Family::Sd2 : Family::Sd1;
}

Family family_from_name(const std::string& name) {
  for (const Family family : {Family::Sd1, Family::Sd2, Family::Sdxl, Family::SdxlRefiner})
    if (name == to_string(family)) return family;
  return Family::Unknown;
}

// The part that a class plays in a pipeline; a folder of one part may have any name.
std::string part_of_class(const std::string& class_name, const std::string& otherwise) {
  if (class_name == "UNet2DConditionModel") return "unet";
  if (class_name == "AutoencoderKL" || class_name == "AutoencoderTiny") return "vae";
  if (class_name == "CLIPTextModel") return "text_encoder";
  if (class_name == "CLIPTextModelWithProjection") return "text_encoder_2";
  return otherwise;
}

ModelSource from_folder(const fs::path& path, const std::string& variant) {
  const ModelFolder folder = read_model_folder(path, variant);
  ModelSource source;
  source.path = path;
  source.layout = folder.pipeline.empty() ? ModelLayout::SinglePart : ModelLayout::Folder;
  source.missing = folder.missing;
  for (const ModelComponent& c : folder.components)
    source.parts.push_back({folder.pipeline.empty() ? part_of_class(c.class_name, c.name) : c.name, c.class_name,
                            c.config, c.folder.string(), c.weights.value_or(fs::path())});
  if (const ModelPart* unet = source.find("unet"))
    source.family = family_of_unet(unet->config, source.find("text_encoder") != nullptr);
  if (source.family == Family::Unknown)
    for (const ModelPart& part : source.parts) source.found.push_back(format("{} ({})", part.name, part.class_name));
  return source;
}

// SDXL has size conditions and two encoders, the refiner only the second; 2.x has OpenCLIP and linear projections.
Family family_of_original(const WeightFile& file, const std::vector<PartPlace>& places) {
  const auto place = [&](std::string_view part) {
    const auto found = std::ranges::find_if(places, [&](const PartPlace& p) { return p.part == part; });
    return found == places.end() ? nullptr : &*found;
  };
  const PartPlace* unet = place("unet");
  if (unet == nullptr) return Family::Unknown;
  const NamedTensors tensors = named_tensors(file, unet->prefix, unet->naming);
  const auto axis = [&](const std::string& name, int i) {
    const std::optional<TensorInfo> info = tensors.info(name);
    return info && info->shape.rank() > i ? info->shape[i] : 0;
  };
  if (tensors.has("add_embedding.linear_1.weight")) {
    if (place("text_encoder") != nullptr) return Family::Sdxl;
    return place("text_encoder_2") != nullptr || axis("add_embedding.linear_1.weight", 1) == 2560 ? Family::SdxlRefiner
                                                                                                  : Family::Sdxl;
  }
  const PartPlace* encoder = place("text_encoder");
  if (encoder != nullptr) return encoder->naming == Naming::OpenClipLastLess ? Family::Sd2 : Family::Sd1;
  const std::optional<TensorInfo> projection = tensors.info("mid_block.attentions.0.proj_in.weight");
  return projection && projection->shape.rank() == 2 ? Family::Sd2 : Family::Sd1;
}

Json deduce_config(const PartPlace& place, const NamedTensors& tensors, Family family, int64_t pooled) {
  const std::string_view part = place.part;
  if (part == "unet") return deduce_unet_config(tensors, family, pooled);
  if (std::string_view(place.class_name) == "AutoencoderTiny") return deduce_tiny_vae_config(tensors);
  if (part == "vae") return deduce_vae_config(tensors, family);
  return deduce_clip_config(tensors, family, part == "text_encoder_2");
}

void describe_unknown(ModelSource& source, const WeightFile& file) {
  for (const KnownPrefix& known : kKnownPrefixes) {
    const bool holds =
        std::ranges::any_of(file.tensors(), [&](const TensorInfo& t) { return t.name.starts_with(known.prefix); });
    if (holds && std::ranges::find(source.found, known.what) == source.found.end()) source.found.push_back(known.what);
  }
  if (source.found.empty() && !file.tensors().empty())
    source.found.push_back(format("{} tensors, such as {}", file.tensors().size(), file.tensors()[0].name));
}

ModelSource from_original(const WeightFile& file) {
  ModelSource source;
  source.path = file.path();
  const std::vector<PartPlace> places = find_parts(file);
  source.family = family_of_original(file, places);
  const bool alone = places.size() == 1 && *places[0].prefix == '\0';
  source.layout = places.empty() ? ModelLayout::Unknown : alone ? ModelLayout::SinglePart : ModelLayout::Original;
  int64_t pooled = 0, in_channels = 4;
  for (const PartPlace& place : places)
    if (std::string_view(place.part) == "text_encoder_2")
      if (const auto info = named_tensors(file, place.prefix, place.naming).info("text_projection.weight"))
        pooled = info->shape[0];
  for (const PartPlace& place : places) {
    const Json config = deduce_config(place, named_tensors(file, place.prefix, place.naming), source.family, pooled);
    if (std::string_view(place.part) == "unet") in_channels = config["in_channels"];
    source.parts.push_back(
        {place.part, place.class_name, config, format("{} ({})", file.path().string(), place.part), file.path()});
  }
  if (source.family == Family::Unknown) {
    for (const ModelPart& part : source.parts) source.found.push_back(format("{} ({})", part.name, part.class_name));
    if (source.parts.empty()) describe_unknown(source, file);
    return source;
  }
  const Json scheduler = family_scheduler_config(source.family, in_channels, {file.has("v_pred"), file.has("ztsnr")});
  source.parts.push_back({"scheduler", scheduler["_class_name"], scheduler, "scheduler of the family", {}});
  std::vector<const char*> wanted = {"vae"};
  if (source.family != Family::SdxlRefiner) wanted.push_back("text_encoder");
  if (source.family == Family::Sdxl || source.family == Family::SdxlRefiner) wanted.push_back("text_encoder_2");
  for (const char* part : wanted)
    if (source.find(part) == nullptr) source.missing.push_back(format("{}: not in this file", part));
  return source;
}

ModelSource from_one_file(const WeightFile& file, const Json& header) {
  const std::string name = file.path().string();
  const auto parts = header.is_object() ? header.find("parts") : header.end();
  const auto version = header.is_object() ? header.find("format") : header.end();
  if (parts == header.end() || !parts->is_object() || version == header.end() || !version->is_number_integer())
    fail(ErrorCode::Corrupt, "file {}: its \"nibble\" header has no format and parts; convert the model again", name);
  if (*version != kOneFileFormat)
    fail(ErrorCode::Unsupported, "file {}: format {}, this program reads {}; convert the model again", name,
         version->dump(), kOneFileFormat);
  ModelSource source;
  source.path = file.path();
  source.layout = ModelLayout::OneFile;
  source.family = family_from_name(string_of(header, "family"));
  for (const auto& [part, entry] : parts->items()) {
    const bool held =
        std::ranges::any_of(file.tensors(), [&, p = part + "."](const TensorInfo& t) { return t.name.starts_with(p); });
    const auto config = entry.is_object() ? entry.find("config") : entry.end();
    source.parts.push_back({part, string_of(entry, "class"), config == entry.end() ? Json() : *config,
                            format("{} ({})", name, part), held ? file.path() : fs::path()});
  }
  return source;
}

}  // namespace

const char* to_string(ModelLayout layout) {
  switch (layout) {
    case ModelLayout::Folder:
      return "diffusers folder";
    case ModelLayout::Original:
      return "original single file";
    case ModelLayout::OneFile:
      return "nibble file";
    case ModelLayout::Unknown:
      return "unknown";
    case ModelLayout::SinglePart:
      return "one part";
  }
  return "";
}

const ModelPart* ModelSource::find(std::string_view part) const {
  for (const ModelPart& p : parts)
    if (p.name == part) return &p;
  return nullptr;
}

const ModelPart& ModelSource::get(std::string_view part) const {
  if (const ModelPart* found_part = find(part)) return *found_part;
  std::vector<std::string> names;
  for (const ModelPart& p : parts) names.push_back(p.name);
  fail(ErrorCode::NotFound, "model {}: has no {}; it has {}", path.string(), part,
       names.empty() ? format("{}", fmt::join(found, ", ")) : format("{}", fmt::join(names, ", ")));
}

NamedTensors ModelSource::tensors(std::string_view name) const {
  const ModelPart& part = get(name);
  if (part.weights.empty()) fail(ErrorCode::NotFound, "model {}: {} has no weights", path.string(), name);
  const WeightFile file = open_weights(part.weights);
  if (layout == ModelLayout::OneFile) return named_tensors(file, part.name + ".", part.class_name);
  if (layout == ModelLayout::Original || !fs::is_directory(path))
    for (const PartPlace& place : find_parts(file))
      if (part.name == place.part) return named_tensors(file, place.prefix, place.naming);
  return named_tensors(file, "", part.class_name);
}

std::shared_ptr<const WeightSource> ModelSource::weights(std::string_view part) const {
  return weight_source(tensors(part), get(part).weights.string());
}

Json ModelSource::quantization() const {
  for (const ModelPart& part : parts) {
    if (part.weights.empty()) continue;
    const NamedTensors tensors = this->tensors(part.name);
    const auto text = tensors.file().metadata().find(kQuantizationKey);
    const Json record = text == tensors.file().metadata().end() ? Json() : Json::parse(text->second, nullptr, false);
    return record.is_object() ? record : Json();
  }
  return {};
}

std::optional<std::string> ModelSource::read_text(std::string_view part, const std::string& name) const {
  if (layout == ModelLayout::OneFile) {
    const WeightFile file = open_weights(path);
    const auto held = file.metadata().find(format("{}{}/{}", kOneFileTextPrefix, part, name));
    if (held == file.metadata().end()) return std::nullopt;
    return held->second;
  }
  if (layout != ModelLayout::Folder) return std::nullopt;
  const fs::path file = path / part / name;
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return std::nullopt;
  return read_file(file);
}

ModelSource open_model(const fs::path& path, const std::string& variant) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) fail(ErrorCode::NotFound, "model {}: no such file or folder", path.string());
  if (fs::is_directory(path, ignored) && is_model_folder(path)) return from_folder(path, variant);
  const WeightFile file = open_weights(path);
  const Json header = part_index(file);
  return header.is_null() ? from_original(file) : from_one_file(file, header);
}

}  // namespace nibble::models
