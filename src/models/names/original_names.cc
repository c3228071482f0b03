#include "models/names/original_names.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "base/error.h"
#include "models/names/count_while.h"

namespace nibble::models {
namespace {

constexpr PartPlace kPlaces[] = {
    {"unet", "UNet2DConditionModel", "model.diffusion_model.", "input_blocks.0.0.weight", Naming::OriginalUNet},
    {"vae", "AutoencoderKL", "first_stage_model.", "decoder.conv_in.weight", Naming::OriginalVae},
    {"text_encoder", "CLIPTextModel", "cond_stage_model.transformer.", "text_model.embeddings.token_embedding.weight",
     Naming::Clip},
    {"text_encoder", "CLIPTextModel", "cond_stage_model.transformer.", "embeddings.token_embedding.weight",
     Naming::Clip},
    {"text_encoder", "CLIPTextModel", "cond_stage_model.model.", "token_embedding.weight", Naming::OpenClipLastLess},
    {"text_encoder", "CLIPTextModel", "conditioner.embedders.0.transformer.",
     "text_model.embeddings.token_embedding.weight", Naming::Clip},
    {"text_encoder_2", "CLIPTextModelWithProjection", "conditioner.embedders.1.model.", "token_embedding.weight",
     Naming::OpenClip},
    {"text_encoder_2", "CLIPTextModelWithProjection", "conditioner.embedders.0.model.", "token_embedding.weight",
     Naming::OpenClip},
    // One part alone.
    {"vae", "AutoencoderKL", "", "decoder.up.0.block.0.norm1.weight", Naming::OriginalVae},
    {"unet", "UNet2DConditionModel", "", "input_blocks.0.0.weight", Naming::OriginalUNet},
    {"unet", "UNet2DConditionModel", "", "down_blocks.0.resnets.0.conv1.weight", Naming::DiffusersUNet},
    {"vae", "AutoencoderKL", "", "decoder.up_blocks.0.resnets.0.conv1.weight", Naming::DiffusersVae},
    {"vae", "AutoencoderTiny", "", "decoder.layers.0.weight", Naming::TinyVae},
    {"vae", "AutoencoderTiny", "", "1.conv.0.weight", Naming::TinyEncoder},
    {"vae", "AutoencoderTiny", "", "3.conv.0.weight", Naming::TinyDecoder},
    {"text_encoder", "CLIPTextModel", "", "text_model.embeddings.token_embedding.weight", Naming::Clip},
    {"text_encoder", "CLIPTextModel", "", "embeddings.token_embedding.weight", Naming::Clip},
};

// A name that begins with `from` begins with `to` here; what follows is renamed by the first fitting row of `inner`.
// In `from`, # is a number. In `to`, {0} and {1} are those numbers, {block} and {layer} the first one split into rows
// of resnets (and their up- or downsampler), {reversed} the first one counted from the other end, {before} one less.
struct Rename {
  const char* from;
  const char* to;
};
struct Rule {
  const char* from;
  const char* to;
  std::span<const Rename> inner = {};
  TensorChange change = TensorChange::None;
};

constexpr Rename kUNetResnet[] = {{"in_layers.0.", "norm1."},          {"in_layers.2.", "conv1."},
                                  {"emb_layers.1.", "time_emb_proj."}, {"out_layers.0.", "norm2."},
                                  {"out_layers.3.", "conv2."},         {"skip_connection.", "conv_shortcut."}};
constexpr Rule kUNetRules[] = {
    {"time_embed.0.", "time_embedding.linear_1."},
    {"time_embed.2.", "time_embedding.linear_2."},
    {"label_emb.0.0.", "add_embedding.linear_1."},
    {"label_emb.0.2.", "add_embedding.linear_2."},
    {"input_blocks.0.0.", "conv_in."},
    {"out.0.", "conv_norm_out."},
    {"out.2.", "conv_out."},
    {"input_blocks.#.0.op.", "down_blocks.{block}.downsamplers.0.conv."},
    {"input_blocks.#.0.", "down_blocks.{block}.resnets.{layer}.", kUNetResnet},
    {"input_blocks.#.1.", "down_blocks.{block}.attentions.{layer}."},
    {"middle_block.0.", "mid_block.resnets.0.", kUNetResnet},
    {"middle_block.1.", "mid_block.attentions.0."},
    {"middle_block.2.", "mid_block.resnets.1.", kUNetResnet},
    {"output_blocks.#.0.", "up_blocks.{block}.resnets.{layer}.", kUNetResnet},
    {"output_blocks.#.1.conv.", "up_blocks.{block}.upsamplers.0.conv."},
    {"output_blocks.#.2.conv.", "up_blocks.{block}.upsamplers.0.conv."},
    {"output_blocks.#.1.", "up_blocks.{block}.attentions.{layer}."},
};

constexpr Rename kVaeResnet[] = {{"nin_shortcut.", "conv_shortcut."}};
constexpr Rename kVaeAttention[] = {
    {"norm.", "group_norm."}, {"q.", "to_q."}, {"k.", "to_k."}, {"v.", "to_v."}, {"proj_out.", "to_out.0."}};
constexpr Rule kVaeRules[] = {
    {"encoder.norm_out.", "encoder.conv_norm_out."},
    {"decoder.norm_out.", "decoder.conv_norm_out."},
    {"encoder.down.#.block.#.", "encoder.down_blocks.{0}.resnets.{1}.", kVaeResnet},
    {"encoder.down.#.downsample.", "encoder.down_blocks.{0}.downsamplers.0."},
    {"decoder.up.#.block.#.", "decoder.up_blocks.{reversed}.resnets.{1}.", kVaeResnet},
    {"decoder.up.#.upsample.", "decoder.up_blocks.{reversed}.upsamplers.0."},
    {"encoder.mid.block_1.", "encoder.mid_block.resnets.0."},
    {"encoder.mid.block_2.", "encoder.mid_block.resnets.1."},
    {"decoder.mid.block_1.", "decoder.mid_block.resnets.0."},
    {"decoder.mid.block_2.", "decoder.mid_block.resnets.1."},
    {"encoder.mid.attn_1.", "encoder.mid_block.attentions.0.", kVaeAttention, TensorChange::Matrix},
    {"decoder.mid.attn_1.", "decoder.mid_block.attentions.0.", kVaeAttention, TensorChange::Matrix},
    {"encoder.conv_", "encoder.conv_"},
    {"decoder.conv_", "decoder.conv_"},
    {"quant_conv.", "quant_conv."},
    {"post_quant_conv.", "post_quant_conv."},
};

constexpr Rename kOldAttention[] = {
    {"query.", "to_q."}, {"key.", "to_k."}, {"value.", "to_v."}, {"proj_attn.", "to_out.0."}};
constexpr Rule kDiffusersVaeRules[] = {
    {"encoder.mid_block.attentions.0.", "encoder.mid_block.attentions.0.", kOldAttention, TensorChange::Matrix},
    {"decoder.mid_block.attentions.0.", "decoder.mid_block.attentions.0.", kOldAttention, TensorChange::Matrix},
    {"", ""},
};

constexpr Rule kOpenClipRules[] = {
    {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
    {"token_embedding.", "text_model.embeddings.token_embedding."},
    {"ln_final.", "text_model.final_layer_norm."},
    {"transformer.resblocks.#.ln_1.", "text_model.encoder.layers.{0}.layer_norm1."},
    {"transformer.resblocks.#.ln_2.", "text_model.encoder.layers.{0}.layer_norm2."},
    {"transformer.resblocks.#.mlp.c_fc.", "text_model.encoder.layers.{0}.mlp.fc1."},
    {"transformer.resblocks.#.mlp.c_proj.", "text_model.encoder.layers.{0}.mlp.fc2."},
    {"transformer.resblocks.#.attn.out_proj.", "text_model.encoder.layers.{0}.self_attn.out_proj."},
    {"transformer.resblocks.#.attn.in_proj_",
     "text_model.encoder.layers.{0}.self_attn.q_proj.",
     {},
     TensorChange::FirstThird},
    {"transformer.resblocks.#.attn.in_proj_",
     "text_model.encoder.layers.{0}.self_attn.k_proj.",
     {},
     TensorChange::SecondThird},
    {"transformer.resblocks.#.attn.in_proj_",
     "text_model.encoder.layers.{0}.self_attn.v_proj.",
     {},
     TensorChange::LastThird},
    {"text_projection", "text_projection.weight", {}, TensorChange::Transposed},
};

constexpr Rule kOpenClipVisionRules[] = {
    {"class_embedding", "vision_model.embeddings.class_embedding"},
    {"positional_embedding", "vision_model.embeddings.position_embedding.weight"},
    {"conv1.", "vision_model.embeddings.patch_embedding."},
    {"ln_pre.", "vision_model.pre_layrnorm."},
    {"ln_post.", "vision_model.post_layernorm."},
    {"transformer.resblocks.#.ln_1.", "vision_model.encoder.layers.{0}.layer_norm1."},
    {"transformer.resblocks.#.ln_2.", "vision_model.encoder.layers.{0}.layer_norm2."},
    {"transformer.resblocks.#.mlp.c_fc.", "vision_model.encoder.layers.{0}.mlp.fc1."},
    {"transformer.resblocks.#.mlp.c_proj.", "vision_model.encoder.layers.{0}.mlp.fc2."},
    {"transformer.resblocks.#.attn.out_proj.", "vision_model.encoder.layers.{0}.self_attn.out_proj."},
    {"transformer.resblocks.#.attn.in_proj_",
     "vision_model.encoder.layers.{0}.self_attn.q_proj.",
     {},
     TensorChange::FirstThird},
    {"transformer.resblocks.#.attn.in_proj_",
     "vision_model.encoder.layers.{0}.self_attn.k_proj.",
     {},
     TensorChange::SecondThird},
    {"transformer.resblocks.#.attn.in_proj_",
     "vision_model.encoder.layers.{0}.self_attn.v_proj.",
     {},
     TensorChange::LastThird},
    {"proj", "visual_projection.weight", {}, TensorChange::Transposed},
};

constexpr Rule kClipRules[] = {
    {"text_model.", "text_model."}, {"text_projection.", "text_projection."}, {"", "text_model."}};
constexpr Rule kTinyEncoderRules[] = {{"#.", "encoder.layers.{0}."}};
constexpr Rule kTinyDecoderRules[] = {{"#.", "decoder.layers.{before}."}};
constexpr Rule kSameRules[] = {{"", ""}};

std::span<const Rule> rules_of(Naming naming) {
  switch (naming) {
    case Naming::OriginalUNet:
      return kUNetRules;
    case Naming::OriginalVae:
      return kVaeRules;
    case Naming::OpenClip:
    case Naming::OpenClipLastLess:
      return kOpenClipRules;
    case Naming::OpenClipVision:
      return kOpenClipVisionRules;
    case Naming::Clip:
      return kClipRules;
    case Naming::DiffusersVae:
      return kDiffusersVaeRules;
    case Naming::TinyEncoder:
      return kTinyEncoderRules;
    case Naming::TinyDecoder:
      return kTinyDecoderRules;
    case Naming::AsStored:
    case Naming::DiffusersUNet:
    case Naming::TinyVae:
      return kSameRules;
  }
  return kSameRules;
}

struct Match {
  int64_t numbers[2] = {};
  std::string_view rest;
};

std::optional<Match> match(std::string_view pattern, std::string_view name) {
  Match found;
  int count = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '#') {
      if (name.empty() || name.front() != pattern[i]) return std::nullopt;
      name.remove_prefix(1);
      continue;
    }
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), found.numbers[count++]);
    if (error != std::errc() || found.numbers[count - 1] < 0 || found.numbers[count - 1] > 10'000) return std::nullopt;
    name.remove_prefix(static_cast<size_t>(end - name.data()));
  }
  found.rest = name;
  return found;
}

// What the rules need to know of the whole network.
struct Counts {
  int64_t unet_layers = 2;  // resnets of a down block
  int64_t vae_levels = 4;
  int64_t clip_layers = 0;
};

Counts count_parts(const WeightFile& file, const std::string& prefix) {
  const auto has = [&](const std::string& name) { return file.has(prefix + name); };
  Counts counts;
  counts.unet_layers = count_while([&](int64_t i) {
    return has(format("input_blocks.{}.0.in_layers.0.weight", i + 1)) &&
           !has(format("input_blocks.{}.0.op.weight", i + 1));
  });
  counts.vae_levels =
      std::max(count_while([&](int64_t i) { return has(format("decoder.up.{}.block.0.norm1.weight", i)); }),
               count_while([&](int64_t i) { return has(format("encoder.down.{}.block.0.norm1.weight", i)); }));
  counts.clip_layers = count_while([&](int64_t i) { return has(format("transformer.resblocks.{}.ln_1.weight", i)); });
  return counts;
}

std::string fill_in(const char* to, const Match& found, bool after_first, const Counts& counts) {
  const int64_t row = counts.unet_layers + 1, position = found.numbers[0] - (after_first ? 1 : 0);
  return fmt::format(fmt::runtime(to), found.numbers[0], found.numbers[1], fmt::arg("block", position / row),
                     fmt::arg("layer", position % row), fmt::arg("reversed", counts.vae_levels - 1 - found.numbers[0]),
                     fmt::arg("before", found.numbers[0] - 1));
}

bool is_left_out(Naming naming, std::string_view name, const Counts& counts) {
  if (name.ends_with("position_ids")) return true;
  if (naming != Naming::OpenClipLastLess) return false;
  const bool has_layers = counts.clip_layers > 1;
  return name == "text_projection" ||
         (has_layers && name.starts_with(format("transformer.resblocks.{}.", counts.clip_layers - 1)));
}

}  // namespace

std::vector<PartPlace> find_parts(const WeightFile& file) {
  std::vector<PartPlace> found;
  for (const PartPlace& place : kPlaces) {
    if (!file.has(std::string(place.prefix) + place.marker)) continue;
    const bool alone = *place.prefix == '\0';
    if (alone && !found.empty()) break;
    if (std::ranges::none_of(found, [&](const PartPlace& p) { return std::string_view(p.part) == place.part; }))
      found.push_back(place);
  }
  return found;
}

NamedTensors named_tensors(const WeightFile& file, const std::string& prefix, Naming naming) {
  const Counts counts = count_parts(file, prefix);
  std::map<std::string, TensorAlias, std::less<>> aliases;
  for (const TensorInfo& info : file.tensors()) {
    if (!info.name.starts_with(prefix)) continue;
    const std::string_view name = std::string_view(info.name).substr(prefix.size());
    if (is_left_out(naming, name, counts)) continue;
    const char* used = nullptr;
    for (const Rule& rule : rules_of(naming)) {
      if (used != nullptr && std::string_view(used) != rule.from) break;  // only rows of one pattern apply together
      const std::optional<Match> found = match(rule.from, name);
      if (!found) continue;
      used = rule.from;
      std::string to = fill_in(rule.to, *found, std::string_view(rule.from).starts_with("input_blocks"), counts);
      std::string_view rest = found->rest;
      for (const Rename& rename : rule.inner) {
        if (!rest.starts_with(rename.from)) continue;
        to += rename.to;
        rest.remove_prefix(std::string_view(rename.from).size());
        break;
      }
      to += rest;
      if (!aliases.emplace(std::move(to), TensorAlias{info.name, rule.change}).second)
        fail(ErrorCode::Corrupt, "file {}: tensor {}: another tensor has the same meaning", file.path().string(),
             info.name);
    }
  }
  return NamedTensors(file, std::move(aliases));
}

NamedTensors named_tensors(const WeightFile& file, const std::string& prefix, const std::string& class_name) {
  if (class_name.starts_with("CLIPText")) return named_tensors(file, prefix, Naming::Clip);
  if (class_name == "AutoencoderKL") return named_tensors(file, prefix, Naming::DiffusersVae);
  return named_tensors(file, prefix, Naming::DiffusersUNet);
}

}  // namespace nibble::models
