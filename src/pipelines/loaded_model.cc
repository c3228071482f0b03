#include "pipelines/loaded_model.h"

#include <cstdlib>

#include "base/check.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

template <typename T>
T value_or(const Json& json, const char* field, T otherwise) {
  const auto found = json.find(field);
  return found == json.end() || found->is_null() ? otherwise : found->get<T>();
}

void require_complete(const models::ModelSource& source, const std::string& name) {
  if (source.find("unet") && source.find("vae") && (source.find("text_encoder") || source.find("text_encoder_2"))) return;
  std::string text = format("model {}: not a text-to-image model that can be run ({})", name, models::to_string(source.layout));
  for (const std::string& sentence : source.missing) text += "; " + sentence;
  for (const std::string& sentence : source.found) text += "; found " + sentence;
  fail(ErrorCode::Unsupported, "{}; see 'nibble inspect {}'", text, name);
}

ModelDefaults defaults_of(const LoadedModel& m, const Json& unet_config) {
  ModelDefaults d{};
  const int64_t sample = value_or<int64_t>(unet_config, "sample_size", m.sdxl ? 128 : 64);
  d.width = d.height = sample * m.vae.factor;
  const std::string scheduler = value_or<std::string>(m.scheduler, "_class_name", "");
  // Distilled models say so by their scheduler: consistency samplers, and the trailing ancestral Euler of the Turbo models.
  const bool consistency = scheduler == "LCMScheduler" || scheduler == "TCDScheduler";
  const bool turbo = scheduler == "EulerAncestralDiscreteScheduler" &&
                     value_or<std::string>(m.scheduler, "timestep_spacing", "") == "trailing";
  d.steps = turbo ? 1 : consistency ? 4 : 20;
  d.guidance = turbo ? 0 : consistency ? (m.unet.time_cond_width > 0 ? 8.5 : 1) : m.sdxl ? 5 : 7.5;
  if (turbo && m.sdxl) d.width = d.height = std::min<int64_t>(d.width, 512);
  return d;
}

// taesd_decoder.pth -> taesd_encoder.pth beside it: tiny autoencoders are published in halves.
std::optional<models::ModelSource> encoder_beside(const fs::path& decoder) {
  constexpr std::string_view kDecoder = "decoder";
  std::string name = decoder.filename().string();
  const size_t at = name.rfind(kDecoder);
  if (at == std::string::npos) return std::nullopt;
  const fs::path file = decoder.parent_path() / name.replace(at, kDecoder.size(), "encoder");
  std::error_code ignored;
  return fs::is_regular_file(file, ignored) ? std::optional(models::open_model(file)) : std::nullopt;
}

}  // namespace

std::optional<fs::path> builtin_model(const std::string& name) {
  std::vector<fs::path> roots;
  if (const char* folder = std::getenv("NIBBLE_MODELS")) roots.emplace_back(folder);
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) roots.push_back(program.parent_path().parent_path() / "share/nibble/models");
  roots.emplace_back(NIBBLE_MODEL_FOLDER);
  for (const fs::path& root : roots)
    if (fs::exists(root / name / "model_index.json", ignored)) return root / name;
  return std::nullopt;
}

fs::path model_path(const std::string& model) {
  std::error_code ignored;
  if (fs::exists(model, ignored)) return model;
  const bool plain_name = model.find('/') == std::string::npos;
  const auto builtin = plain_name ? builtin_model(model) : std::nullopt;
  if (!builtin)
    fail(ErrorCode::NotFound, "model {}: no such file or folder{}", model,
         plain_name ? ", and no built-in model of this name (built in: emoji)" : "");
  return *builtin;
}

LoadedModel load_model(const std::string& model, const std::string& vae) {
  LoadedModel m;
  m.name = model;
  const fs::path path = model_path(model);
  m.source = models::open_model(path);
  require_complete(m.source, model);
  const models::ModelPart& unet = m.source.get("unet");
  m.unet = models::UNetConfig::from_json(unet.config, unet.where);
  if (!vae.empty()) {
    m.vae_source = models::open_model(vae);
    m.vae_encoder_source = encoder_beside(vae);
  }
  const models::ModelPart& autoencoder = m.vae_from().get("vae");
  m.vae = models::VaeConfig::from_json(autoencoder.config, autoencoder.where);
  m.scheduler = m.source.find("scheduler") ? m.source.get("scheduler").config : Json::object();
  if (m.scheduler.is_null()) m.scheduler = Json::object();
  m.sdxl = m.unet.added_width > 0;
  for (const char* suffix : {"", "_2"}) {
    const models::ModelPart* part = m.source.find(std::string("text_encoder") + suffix);
    if (part == nullptr) continue;
    const bool projected = part->class_name == "CLIPTextModelWithProjection";
    m.text_encoders.push_back({part->name, std::string("tokenizer") + suffix,
                               models::ClipConfig::from_json(part->config, projected, part->where)});
  }
  if (m.sdxl) {
    const int64_t pooled = m.text_encoders.back().config.projection;
    m.aesthetic_score = m.unet.added_width == pooled + 5 * m.unet.size_embedding;
    if (!m.aesthetic_score && m.unet.added_width != pooled + 6 * m.unet.size_embedding)
      fail(ErrorCode::Corrupt, "{}: projection_class_embeddings_input_dim {} does not fit a pooled text of {} and sizes of {}",
           unet.where, m.unet.added_width, pooled, m.unet.size_embedding);
  }
  int64_t width = 0;
  for (const TextEncoderPart& part : m.text_encoders) width += part.config.width;
  if (width != m.unet.mid.context_width)
    fail(ErrorCode::Corrupt, "model {}: the text encoders give {} channels, the unet wants {}; a part is of another model", model,
         width, m.unet.mid.context_width);
  if (m.vae.latent_channels != m.unet.out_channels)
    fail(ErrorCode::InvalidArgument, "vae {}: {} latent channels, the unet has {}; it belongs to another family",
         m.vae_from().path.string(), m.vae.latent_channels, m.unet.out_channels);
  const fs::path index = path / "model_index.json";
  m.zero_empty_negative =
      m.sdxl && (!fs::exists(index) || value_or(read_json_file(index), "force_zeros_for_empty_prompt", true));
  m.defaults = defaults_of(m, unet.config);
  return m;
}

ClipTokenizer LoadedModel::tokenizer(size_t encoder) const {
  const std::string& part = text_encoders[encoder].tokenizer;
  const auto text = [&](const char* file) { return source.read_text(part, file).value_or(""); };
  const TokenizerFiles files{text("vocab.json"), text("merges.txt"), text("tokenizer_config.json"),
                             text("special_tokens_map.json"), text("tokenizer.json")};
  if (files.vocab.empty() && files.tokenizer.empty()) {
    const bool first_of_sd1 = source.family == models::Family::Sd1 || (sdxl && part == "tokenizer");
    return ClipTokenizer::packaged(first_of_sd1 ? "<|endoftext|>" : "!");
  }
  return ClipTokenizer(parse_tokenizer_files(files));
}

size_t LoadedModel::weight_bytes(std::string_view part) const {
  return (part == "vae" ? vae_from() : source).tensors(part).bytes();
}

}  // namespace nibble
