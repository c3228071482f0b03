#include "models/names/deduced_configs.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "models/names/count_while.h"

namespace nibble::models {
namespace {

int64_t dim(const NamedTensors& tensors, const std::string& name, int axis) {
  const std::optional<TensorInfo> info = tensors.info(name);
  const std::string file = tensors.file().path().string();
  if (!info) fail(ErrorCode::Corrupt, "file {}: tensor {} is missing; the config cannot be deduced", file, name);
  if (axis >= info->shape.rank() || info->shape[axis] < 1)
    fail(ErrorCode::Corrupt, "file {}: tensor {}: shape {} is none of this network", file, name,
         to_string(info->shape));
  return info->shape[axis];
}

struct UNetShape {
  std::vector<int64_t> channels, depth;  // depth 0: no attention in this block
  std::vector<bool> attention;
  int64_t layers = 0, mid_depth = 0;
};

UNetShape read_unet_shape(const NamedTensors& tensors) {
  UNetShape shape;
  const auto depth_of = [&](const std::string& transformer) {
    return count_while(
        [&](int64_t i) { return tensors.has(format("{}.transformer_blocks.{}.norm1.weight", transformer, i)); });
  };
  const auto resnet = [](int64_t block, int64_t layer) {
    return format("down_blocks.{}.resnets.{}.conv1.weight", block, layer);
  };
  const int64_t blocks = count_while([&](int64_t b) { return tensors.has(resnet(b, 0)); });
  for (int64_t b = 0; b < blocks; ++b) {
    shape.channels.push_back(dim(tensors, resnet(b, 0), 0));
    shape.depth.push_back(depth_of(format("down_blocks.{}.attentions.0", b)));
    shape.attention.push_back(shape.depth.back() > 0);
  }
  shape.layers = count_while([&](int64_t l) { return tensors.has(resnet(0, l)); });
  shape.mid_depth = depth_of("mid_block.attentions.0");
  return shape;
}

// One number when all blocks agree, else a list; blocks without attention count as the mid block (last) or as 1.
Json transformer_layers(const UNetShape& shape) {
  std::vector<int64_t> seen;
  for (const int64_t depth : shape.depth)
    if (depth > 0) seen.push_back(depth);
  if (shape.mid_depth > 0) seen.push_back(shape.mid_depth);
  if (seen.empty()) return 1;
  if (std::ranges::all_of(seen, [&](int64_t depth) { return depth == seen[0]; })) return seen[0];
  std::vector<int64_t> out;
  for (const int64_t depth : shape.depth) out.push_back(std::max<int64_t>(depth, 1));
  if (shape.depth.back() == 0) out.back() = std::max<int64_t>(shape.mid_depth, 1);
  return out;
}

std::string find_first(const NamedTensors& tensors, const UNetShape& shape, const std::string& in_transformer) {
  for (size_t b = 0; b < shape.depth.size(); ++b) {
    const std::string name = format("down_blocks.{}.attentions.0.{}", b, in_transformer);
    if (tensors.has(name)) return name;
  }
  return "mid_block.attentions.0." + in_transformer;
}

void add_size_condition(Json& config, const NamedTensors& tensors, Family family, int64_t pooled) {
  const int64_t input = dim(tensors, "add_embedding.linear_1.weight", 1);
  const int64_t sizes = family == Family::SdxlRefiner ? 5 : 6;  // numbers in time_ids
  config["addition_embed_type"] = "text_time";
  config["addition_time_embed_dim"] = pooled > 0 && pooled < input ? (input - pooled) / sizes : 256;
  config["projection_class_embeddings_input_dim"] = input;
}

int64_t native_size(Family family, int64_t in_channels) {
  if (family == Family::Sdxl || family == Family::SdxlRefiner) return 1024;
  return family == Family::Sd2 && in_channels != 9 ? 768 : 512;
}

Json first_published_scheduler(const char* class_name) {
  return {{"_class_name", class_name},
          {"beta_end", 0.012},
          {"beta_schedule", "scaled_linear"},
          {"beta_start", 0.00085},
          {"clip_sample", false},
          {"num_train_timesteps", 1000},
          {"prediction_type", "epsilon"},
          {"set_alpha_to_one", false},
          {"skip_prk_steps", true},
          {"steps_offset", 1},
          {"trained_betas", nullptr}};
}

}  // namespace

const char* to_string(Family family) {
  switch (family) {
    case Family::Unknown:
      return "unknown";
    case Family::Sd1:
      return "sd1";
    case Family::Sd2:
      return "sd2";
    case Family::Sdxl:
      return "sdxl";
    case Family::SdxlRefiner:
      return "sdxl-refiner";
  }
  return "unknown";
}

Json deduce_unet_config(const NamedTensors& tensors, Family family, int64_t pooled) {
  const UNetShape shape = read_unet_shape(tensors);
  if (shape.channels.empty())
    fail(ErrorCode::Corrupt, "file {}: the UNet has no down blocks", tensors.file().path().string());
  std::vector<std::string> down, up;
  for (const bool attention : shape.attention) {
    down.push_back(attention ? "CrossAttnDownBlock2D" : "DownBlock2D");
    up.insert(up.begin(), attention ? "CrossAttnUpBlock2D" : "UpBlock2D");
  }
  const int64_t in_channels = dim(tensors, "conv_in.weight", 1);
  const std::string projection = find_first(tensors, shape, "proj_in.weight");
  const bool linear = tensors.has(projection) && tensors.info(projection)->shape.rank() == 2;
  const bool xl = family == Family::Sdxl || family == Family::SdxlRefiner;
  Json heads = 8;
  if (linear) {
    heads = Json::array();
    for (const int64_t channels : shape.channels) heads.push_back(std::max<int64_t>(channels / 64, 1));
  }
  Json config = {
      {"_class_name", "UNet2DConditionModel"},
      {"act_fn", "silu"},
      {"attention_head_dim", heads},
      {"block_out_channels", shape.channels},
      {"center_input_sample", false},
      {"cross_attention_dim", dim(tensors, find_first(tensors, shape, "transformer_blocks.0.attn2.to_k.weight"), 1)},
      {"down_block_types", down},
      {"downsample_padding", 1},
      {"flip_sin_to_cos", true},
      {"freq_shift", 0},
      {"in_channels", in_channels},
      {"layers_per_block", shape.layers},
      {"mid_block_scale_factor", 1},
      {"norm_eps", 1e-5},
      {"norm_num_groups", 32},
      {"out_channels", dim(tensors, "conv_out.weight", 0)},
      {"sample_size", native_size(family, in_channels) / 8},
      {"transformer_layers_per_block", transformer_layers(shape)},
      {"up_block_types", up},
      {"upcast_attention", xl ? Json() : Json(family == Family::Sd2)},
      {"use_linear_projection", linear}};
  if (tensors.has("add_embedding.linear_1.weight")) add_size_condition(config, tensors, family, pooled);
  return config;
}

Json deduce_vae_config(const NamedTensors& tensors, Family family) {
  const bool encoder = tensors.has("encoder.conv_in.weight");
  std::vector<int64_t> channels;
  for (int64_t i = 0; i < 16; ++i) {
    const std::string name =
        format("{}.{}.resnets.0.conv2.weight", encoder ? "encoder.down_blocks" : "decoder.up_blocks", i);
    if (tensors.has(name)) channels.push_back(dim(tensors, name, 0));
  }
  if (channels.empty()) fail(ErrorCode::Corrupt, "file {}: the VAE has no blocks", tensors.file().path().string());
  if (!encoder) std::ranges::reverse(channels);
  const int64_t decoder_layers =
      count_while([&](int64_t l) { return tensors.has(format("decoder.up_blocks.0.resnets.{}.conv1.weight", l)); });
  const int64_t encoder_layers =
      count_while([&](int64_t l) { return tensors.has(format("encoder.down_blocks.0.resnets.{}.conv1.weight", l)); });
  const bool xl = family == Family::Sdxl || family == Family::SdxlRefiner;
  return {
      {"_class_name", "AutoencoderKL"},
      {"act_fn", "silu"},
      {"block_out_channels", channels},
      {"down_block_types", std::vector<std::string>(channels.size(), "DownEncoderBlock2D")},
      {"force_upcast", true},
      {"in_channels", encoder ? dim(tensors, "encoder.conv_in.weight", 1) : dim(tensors, "decoder.conv_out.weight", 0)},
      {"latent_channels", dim(tensors, "decoder.conv_in.weight", 1)},
      {"layers_per_block", encoder_layers > 0 ? encoder_layers : std::max<int64_t>(decoder_layers - 1, 1)},
      {"mid_block_add_attention", tensors.has("decoder.mid_block.attentions.0.to_q.weight")},
      {"norm_num_groups", 32},
      {"out_channels", dim(tensors, "decoder.conv_out.weight", 0)},
      {"sample_size", xl                      ? 1024
                      : family == Family::Sd2 ? 768
                                              : 512},
      {"scaling_factor", xl ? 0.13025 : 0.18215},
      {"up_block_types", std::vector<std::string>(channels.size(), "UpDecoderBlock2D")},
      {"use_post_quant_conv", tensors.has("post_quant_conv.weight")},
      {"use_quant_conv", tensors.has("quant_conv.weight") || !encoder}};
}

Json deduce_tiny_vae_config(const NamedTensors& tensors) {
  const bool decoder = tensors.has("decoder.layers.0.weight");
  const bool pools = tensors.has("decoder.layers.2.pool.0.weight") || tensors.has("encoder.layers.11.pool.0.weight");
  const int64_t channels = decoder ? dim(tensors, "decoder.layers.0.weight", 1) : dim(tensors, "encoder.layers.14.weight", 0);
  return {{"_class_name", "AutoencoderTiny"}, {"latent_channels", channels}, {"pool_blocks", pools}};
}

Json deduce_clip_config(const NamedTensors& tensors, Family family, bool second) {
  const int64_t width = dim(tensors, "text_model.embeddings.token_embedding.weight", 1);
  const int64_t layers =
      count_while([&](int64_t l) { return tensors.has(format("text_model.encoder.layers.{}.layer_norm1.weight", l)); });
  if (layers == 0) fail(ErrorCode::Corrupt, "file {}: the text encoder has no layers", tensors.file().path().string());
  const bool open_clip = second || family == Family::Sd2;
  const int64_t projection = tensors.has("text_projection.weight") ? dim(tensors, "text_projection.weight", 0)
                             : family == Family::Sd2               ? 512
                                                                   : width;
  return {{"architectures", {second ? "CLIPTextModelWithProjection" : "CLIPTextModel"}},
          {"bos_token_id", 0},
          {"eos_token_id", 2},
          {"hidden_act", open_clip ? "gelu" : "quick_gelu"},
          {"hidden_size", width},
          {"intermediate_size", dim(tensors, "text_model.encoder.layers.0.mlp.fc1.weight", 0)},
          {"layer_norm_eps", 1e-5},
          {"max_position_embeddings", dim(tensors, "text_model.embeddings.position_embedding.weight", 0)},
          {"model_type", "clip_text_model"},
          {"num_attention_heads", std::max<int64_t>(width / 64, 1)},
          {"num_hidden_layers", layers},
          {"pad_token_id", 1},
          {"projection_dim", projection},
          {"vocab_size", dim(tensors, "text_model.embeddings.token_embedding.weight", 0)}};
}

Json family_scheduler_config(Family family, int64_t in_channels, TrainingMarks marks) {
  const bool xl = family == Family::Sdxl || family == Family::SdxlRefiner;
  const bool v21 = family == Family::Sd2 && in_channels != 9;
  Json config = first_published_scheduler(xl ? "EulerDiscreteScheduler" : v21 ? "DDIMScheduler" : "PNDMScheduler");
  if (v21) config["prediction_type"] = "v_prediction";
  if (xl) {
    config["interpolation_type"] = "linear";
    config["timestep_spacing"] = "leading";
    config["use_karras_sigmas"] = false;
  }
  if (marks.v_prediction) config["prediction_type"] = "v_prediction";
  if (marks.zero_terminal_snr) {
    config["rescale_betas_zero_snr"] = true;
    config["timestep_spacing"] = "trailing";
  }
  return config;
}

}  // namespace nibble::models
