#include "models/vae/autoencoder_kl.h"

#include "base/check.h"
#include "ops/attention.h"
#include "ops/basic.h"

namespace nibble::models {
namespace {

constexpr float kEps = 1e-6f;
constexpr size_t kLevelsInStrips = 2;  // the finest ones, which hold the large activations

ResnetBlock2D resnet(const Scope& s, int64_t in, int64_t out, const VaeConfig& config) {
  return ResnetBlock2D(s, in, out, 0, config.norm_groups, kEps);
}

nn::Linear projection(const Scope& s, const char* name, const char* old_name, int64_t channels) {
  const Scope at = s / name;
  return nn::Linear(at.quantized() || at.has("weight", {channels, channels}) ? at : s / old_name, channels, channels);
}

}  // namespace

VaeAttention::VaeAttention(const Scope& s, int64_t channels, int64_t groups)
    : path_(s.path()),
      group_norm(s / "group_norm", channels, groups, kEps),
      to_q(projection(s, "to_q", "query", channels)),
      to_k(projection(s, "to_k", "key", channels)),
      to_v(projection(s, "to_v", "value", channels)),
      to_out(projection(s, "to_out.0", "proj_attn", channels)) {}

Value VaeAttention::operator()(Value x) const {
  const Value h = ops::reshape(group_norm(x), {x.dim(0), x.dim(1) * x.dim(2), x.dim(3)});
  const Value y = to_out(ops::attention(to_q(h), to_k(h), to_v(h), {.heads = 1}));
  return x.graph().label(ops::add(ops::reshape(y, x.shape()), x), path_);
}

VaeMidBlock::VaeMidBlock(const Scope& s, int64_t channels, const VaeConfig& config)
    : first(resnet(s / "resnets" / 0, channels, channels, config)),
      second(resnet(s / "resnets" / 1, channels, channels, config)) {
  if (config.mid_attention) attention.emplace(s / "attentions" / 0, channels, config.norm_groups);
}

Value VaeMidBlock::operator()(Value x) const {
  x = first(x, {});
  if (attention) x = (*attention)(x);
  return second(x, {});
}

AutoencoderKL::AutoencoderKL(const Scope& s, const VaeConfig& config, VaeParts parts) : config_(config) {
  if (parts != VaeParts::Decoder) bind_encoder(s);
  if (parts != VaeParts::Encoder) bind_decoder(s);
}

void AutoencoderKL::bind_encoder(const Scope& root) {
  const Scope s = root / "encoder";
  const int64_t latent = config_.latent_channels, count = static_cast<int64_t>(config_.channels.size());
  encoder.emplace();
  encoder->conv_in = nn::Conv2d(s / "conv_in", 3, config_.channels.front(), 3);
  int64_t channels = config_.channels.front();
  for (int64_t i = 0; i < count; ++i) {
    const Scope b = s / "down_blocks" / i;
    const int64_t out = config_.channels[static_cast<size_t>(i)];
    VaeBlock& block = encoder->blocks.emplace_back();
    block.path = b.path();
    for (int64_t j = 0; j < config_.layers; ++j) {
      block.resnets.push_back(resnet(b / "resnets" / j, channels, out, config_));
      channels = out;
    }
    if (i + 1 < count) block.sampler.emplace(b / "downsamplers" / 0 / "conv", out, out, 3, 2, true, true);
  }
  encoder->mid_block.emplace(s / "mid_block", channels, config_);
  encoder->conv_norm_out = nn::GroupNorm(s / "conv_norm_out", channels, config_.norm_groups, kEps);
  encoder->conv_out = nn::Conv2d(s / "conv_out", channels, 2 * latent, 3);
  if (config_.quant_conv) quant_conv.emplace(root / "quant_conv", 2 * latent, 2 * latent, 1);
}

void AutoencoderKL::bind_decoder(const Scope& root) {
  const Scope s = root / "decoder";
  const int64_t latent = config_.latent_channels, count = static_cast<int64_t>(config_.channels.size());
  decoder.emplace();
  int64_t channels = config_.channels.back();
  decoder->conv_in = nn::Conv2d(s / "conv_in", latent, channels, 3);
  decoder->mid_block.emplace(s / "mid_block", channels, config_);
  for (int64_t i = 0; i < count; ++i) {
    const Scope b = s / "up_blocks" / i;
    const int64_t out = config_.channels[static_cast<size_t>(count - 1 - i)];
    VaeBlock& block = decoder->blocks.emplace_back();
    block.path = b.path();
    for (int64_t j = 0; j <= config_.layers; ++j) {
      block.resnets.push_back(resnet(b / "resnets" / j, channels, out, config_));
      channels = out;
    }
    if (i + 1 < count) block.sampler.emplace(b / "upsamplers" / 0 / "conv", out, out, 3);
  }
  decoder->conv_norm_out = nn::GroupNorm(s / "conv_norm_out", channels, config_.norm_groups, kEps);
  decoder->conv_out = nn::Conv2d(s / "conv_out", channels, 3, 3);
  if (config_.post_quant_conv) post_quant_conv.emplace(root / "post_quant_conv", latent, latent, 1);
}

Value AutoencoderKL::encode(Value picture, bool moments) const {
  NIBBLE_CHECK(encoder.has_value(), "the encoder was not loaded");
  Graph& g = picture.graph();
  Value x = encoder->conv_in(picture);
  for (const VaeBlock& block : encoder->blocks) {
    g.begin_segment(block.path);
    for (const ResnetBlock2D& r : block.resnets) x = r(x, {});
    if (block.sampler) x = (*block.sampler)(x);
  }
  g.begin_segment("encoder.mid_block");
  x = (*encoder->mid_block)(x);
  x = encoder->conv_out(ops::silu(encoder->conv_norm_out(x)));
  if (quant_conv) x = (*quant_conv)(x);
  if (moments) return x;
  const Value mean = ops::slice(x, 3, 0, config_.latent_channels);
  return ops::scale(mean, config_.scaling, -config_.shift * config_.scaling);
}

Value AutoencoderKL::decode(Value latent, const Strips& strips) const {
  NIBBLE_CHECK(decoder.has_value(), "the decoder was not loaded");
  Graph& g = latent.graph();
  Value x = ops::scale(latent, 1.0f / config_.scaling, config_.shift);
  if (post_quant_conv) x = (*post_quant_conv)(x);
  x = decoder->conv_in(x);
  g.begin_segment("decoder.mid_block");
  x = (*decoder->mid_block)(x);
  const std::vector<VaeBlock>& blocks = decoder->blocks;
  for (size_t i = 0; i < blocks.size(); ++i) {
    g.begin_segment(blocks[i].path);
    const Strips part_strips = i + kLevelsInStrips >= blocks.size() ? strips : Strips{};
    for (size_t j = 0; j < blocks[i].resnets.size(); ++j) {
      // Two convolutions see two rows; with the enlargement's three before it, three rows of the result, two of the input.
      const nn::Conv2d* enlarge = i > 0 && j == 0 ? &*blocks[i - 1].sampler : nullptr;
      const auto record = [&](Value v) { return blocks[i].resnets[j](enlarge ? (*enlarge)(ops::upsample_nearest_2x(v)) : v, {}); };
      x = in_strips(x, {record, enlarge ? 2 : 1, 2}, part_strips);
    }
  }
  const auto last = [&](Value v) { return decoder->conv_out(ops::silu(decoder->conv_norm_out(v))); };
  return in_strips(x, {last, 1, 1}, strips);
}

}  // namespace nibble::models
