#include "models/unet/config.h"

#include <algorithm>

#include "models/config_reader.h"

namespace nibble::models {
namespace {

constexpr int64_t kInherited = 0;

bool block_has_attention(const ConfigReader& c, const std::string& type, const char* direction) {
  if (type == std::string("CrossAttn") + direction + "Block2D") return true;
  if (type == std::string(direction) + "Block2D") return false;
  fail(ErrorCode::Unsupported, "{}: block type {} is not supported (want CrossAttn{}Block2D or {}Block2D)", c.where(), type,
       direction, direction);
}

void refuse_unsupported(const ConfigReader& c) {
  c.require<std::string>("act_fn", "silu");
  c.require<std::string>("resnet_time_scale_shift", "default");
  c.require<std::string>("time_embedding_type", "positional");
  c.require<int64_t>("conv_in_kernel", 3);
  c.require<int64_t>("conv_out_kernel", 3);
  c.require<int64_t>("downsample_padding", 1);
  c.require<double>("mid_block_scale_factor", 1);
  c.require<bool>("center_input_sample", false);
  c.require<bool>("dual_cross_attention", false);
  c.require<bool>("class_embeddings_concat", false);
  c.require<bool>("resnet_skip_time_act", false);
  for (const char* field : {"class_embed_type", "num_class_embeds", "encoder_hid_dim", "encoder_hid_dim_type", "time_embedding_dim",
                            "time_embedding_act_fn", "timestep_post_act", "cross_attention_norm"})
    c.require_null(field);
  c.require<std::string>("addition_embed_type", c.get<std::string>("addition_embed_type", "") == "" ? "" : "text_time");
}

// Transformer layers of the up blocks: the down blocks' in reverse, or a list of their own where those differ within a block.
std::vector<std::vector<int64_t>> up_transformer_layers(const ConfigReader& c, const std::vector<std::vector<int64_t>>& down,
                                                        const std::vector<int64_t>& layers) {
  std::vector<std::vector<int64_t>> own = c.per_layer("reverse_transformer_layers_per_block", layers, kInherited);
  if (own[0][0] != kInherited) return own;
  for (size_t i = 0; i < own.size(); ++i) own[i].assign(own[i].size(), down[down.size() - 1 - i][0]);
  return own;
}

}  // namespace

UNetConfig UNetConfig::from_json(const Json& json, const std::string& where) {
  const ConfigReader c(json, where);
  refuse_unsupported(c);
  UNetConfig u;
  u.in_channels = c.size("in_channels", 4);
  u.out_channels = c.size("out_channels", 4);
  u.norm_groups = c.size("norm_num_groups", 32);
  u.norm_eps = c.get<float>("norm_eps", 1e-5f);
  u.linear_projection = c.get<bool>("use_linear_projection", false);
  u.flip_sin_to_cos = c.get<bool>("flip_sin_to_cos", true);
  u.freq_shift = c.get<float>("freq_shift", 0);
  u.time_cond_width = c.get<int64_t>("time_cond_proj_dim", 0);
  if (c.get<std::string>("addition_embed_type", "") == "text_time") {
    u.size_embedding = c.size("addition_time_embed_dim", 256);
    u.added_width = c.size("projection_class_embeddings_input_dim", 2816);
  }

  const auto channels = c.list<int64_t>("block_out_channels", {320, 640, 1280, 1280});
  const size_t count = channels.size();
  const auto down_types = c.list<std::string>("down_block_types", {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                                                                   "CrossAttnDownBlock2D", "DownBlock2D"});
  const auto up_types = c.list<std::string>("up_block_types", {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
                                                               "CrossAttnUpBlock2D"});
  if (down_types.size() != count || up_types.size() != count)
    fail(ErrorCode::Corrupt, "{}: {} block_out_channels, {} down and {} up block types; want the same number", where, count,
         down_types.size(), up_types.size());
  const auto layers = c.per_block("layers_per_block", count, 2);
  // The published configs write the number of heads into attention_head_dim.
  const auto heads = c.per_block(json.contains("num_attention_heads") && !json["num_attention_heads"].is_null()
                                     ? "num_attention_heads" : "attention_head_dim", count, 8);
  const auto contexts = c.per_block("cross_attention_dim", count, 1280);
  std::vector<int64_t> up_layers;
  for (size_t i = 0; i < count; ++i) up_layers.push_back(layers[count - 1 - i] + 1);
  const auto depth = c.per_layer("transformer_layers_per_block", layers, 1);
  const auto up_depth = up_transformer_layers(c, depth, up_layers);

  for (size_t i = 0; i < count; ++i) {
    const size_t j = count - 1 - i;
    u.down.push_back({channels[i], layers[i], heads[i], depth[i], contexts[i], block_has_attention(c, down_types[i], "Down")});
    u.up.push_back({channels[j], up_layers[i], heads[j], up_depth[i], contexts[j], block_has_attention(c, up_types[i], "Up")});
    if (channels[i] < 1 || channels[i] % u.norm_groups != 0 || channels[i] % heads[i] != 0)
      fail(ErrorCode::Corrupt, "{}: {} channels with {} norm groups and {} heads", where, channels[i], u.norm_groups, heads[i]);
  }
  u.mid = {channels.back(), 2, heads.back(), {depth.back()[0]}, contexts.back(), true};
  if (json.contains("mid_block_type")) {
    u.has_mid = !json["mid_block_type"].is_null();
    if (u.has_mid) u.mid.cross_attention = c.get<std::string>("mid_block_type", "") != "UNetMidBlock2D";
    if (u.has_mid && u.mid.cross_attention) c.require<std::string>("mid_block_type", "UNetMidBlock2DCrossAttn");
  }
  return u;
}

}  // namespace nibble::models
