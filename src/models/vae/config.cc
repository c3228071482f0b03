#include "models/config_reader.h"
#include "models/vae/vae.h"

namespace nibble::models {
namespace {

VaeConfig tiny_config(const ConfigReader& c) {
  VaeConfig v;
  v.tiny = true;
  v.latent_channels = c.size("latent_channels", 4);
  v.scaling = c.get<float>("scaling_factor", 1.0f);
  v.shift = c.get<float>("shift_factor", 0.0f);
  v.encoder_channels = c.list<int64_t>("encoder_block_out_channels", {64, 64, 64, 64});
  v.decoder_channels = c.list<int64_t>("decoder_block_out_channels", {64, 64, 64, 64});
  v.encoder_blocks = c.list<int64_t>("num_encoder_blocks", {1, 3, 3, 3});
  v.decoder_blocks = c.list<int64_t>("num_decoder_blocks", {3, 3, 3, 1});
  v.activation = nn::activation_from_name(c.get<std::string>("act_fn", "relu"), c.where());
  v.factor = int64_t{1} << (v.decoder_blocks.size() - 1);
  v.pool_blocks = c.get<bool>("pool_blocks", false);
  c.require<int64_t>("upsampling_scaling_factor", 2);
  if (v.encoder_channels.size() != v.encoder_blocks.size() || v.decoder_channels.size() != v.decoder_blocks.size())
    fail(ErrorCode::Corrupt, "{}: block_out_channels and num_blocks differ in length", c.where());
  return v;
}

}  // namespace

VaeConfig VaeConfig::from_json(const Json& json, const std::string& where) {
  const ConfigReader c(json, where);
  if (c.get<std::string>("_class_name", "") == "AutoencoderTiny" || json.contains("num_decoder_blocks")) return tiny_config(c);
  VaeConfig v;
  v.latent_channels = c.size("latent_channels", 4);
  v.scaling = c.get<float>("scaling_factor", 0.18215f);
  v.shift = c.get<float>("shift_factor", 0.0f);
  v.channels = c.list<int64_t>("block_out_channels", {64});
  v.layers = c.size("layers_per_block", 1);
  v.norm_groups = c.size("norm_num_groups", 32);
  v.mid_attention = c.get<bool>("mid_block_add_attention", true);
  v.quant_conv = c.get<bool>("use_quant_conv", true);
  v.post_quant_conv = c.get<bool>("use_post_quant_conv", true);
  v.factor = int64_t{1} << (v.channels.size() - 1);
  c.require<std::string>("act_fn", "silu");
  for (const std::string& type : c.list<std::string>("down_block_types", {"DownEncoderBlock2D"}))
    if (type != "DownEncoderBlock2D") fail(ErrorCode::Unsupported, "{}: block type {} is not supported", where, type);
  for (const std::string& type : c.list<std::string>("up_block_types", {"UpDecoderBlock2D"}))
    if (type != "UpDecoderBlock2D") fail(ErrorCode::Unsupported, "{}: block type {} is not supported", where, type);
  for (const int64_t channels : v.channels)
    if (channels < 1 || channels % v.norm_groups != 0)
      fail(ErrorCode::Corrupt, "{}: {} channels with {} norm groups", where, channels, v.norm_groups);
  return v;
}

}  // namespace nibble::models
