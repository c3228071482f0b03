#include "models/unet/unet.h"

#include "base/check.h"
#include "ops/basic.h"

namespace nibble::models {

ResnetBlock2D::ResnetBlock2D(const Scope& s, int64_t in, int64_t out, int64_t temb_width, int64_t groups, float eps)
    : path_(s.path()),
      norm1(s / "norm1", in, groups, eps),
      norm2(s / "norm2", out, groups, eps),
      conv1(s / "conv1", in, out, 3),
      conv2(s / "conv2", out, out, 3) {
  if (temb_width > 0) time_emb_proj.emplace(s / "time_emb_proj", temb_width, out);
  if (in != out) conv_shortcut.emplace(s / "conv_shortcut", in, out, 1);
}

Value ResnetBlock2D::operator()(Value x, Value silu_temb) const {
  Value h = conv1(ops::silu(norm1(x)));
  if (time_emb_proj) {
    const Value t = (*time_emb_proj)(silu_temb);
    h = ops::add(h, ops::reshape(t, {t.dim(0), 1, 1, t.dim(1)}));
  }
  h = conv2(ops::silu(norm2(h)));
  return x.graph().label(ops::add(h, conv_shortcut ? (*conv_shortcut)(x) : x), path_);
}

Transformer2DModel::Transformer2DModel(const Scope& s, const UNetBlockConfig& block, int64_t layers, const UNetConfig& config)
    : path_(s.path()), norm(s / "norm", block.channels, config.norm_groups, 1e-6f) {
  const int64_t width = block.channels;
  if (config.linear_projection) {
    linear_in.emplace(s / "proj_in", width, width);
    linear_out.emplace(s / "proj_out", width, width);
  } else {
    conv_in.emplace(s / "proj_in", width, width, 1);
    conv_out.emplace(s / "proj_out", width, width, 1);
  }
  for (int64_t i = 0; i < layers; ++i)
    transformer_blocks.emplace_back(s / "transformer_blocks" / i, width, block.context_width, block.heads);
}

Value Transformer2DModel::operator()(Value x, Value text) const {
  // Channels last: a 1x1 convolution is the linear layer, and pixels are tokens without a transpose.
  const Shape tokens{x.dim(0), x.dim(1) * x.dim(2), x.dim(3)};
  Value h = norm(x);
  h = linear_in ? (*linear_in)(ops::reshape(h, tokens)) : ops::reshape((*conv_in)(h), tokens);
  for (const nn::BasicTransformerBlock& block : transformer_blocks) h = block(h, text);
  h = linear_out ? ops::reshape((*linear_out)(h), x.shape()) : (*conv_out)(ops::reshape(h, x.shape()));
  return x.graph().label(ops::add(h, x), path_);
}

UNet2DConditionModel::UNet2DConditionModel(const Scope& s, const UNetConfig& config) : config_(config) {
  const int64_t first = config.down[0].channels, temb = 4 * first, groups = config.norm_groups;
  conv_in = nn::Conv2d(s / "conv_in", config.in_channels, first, 3);
  time_linear_1 = nn::Linear(s / "time_embedding" / "linear_1", first, temb);
  time_linear_2 = nn::Linear(s / "time_embedding" / "linear_2", temb, temb);
  if (config.time_cond_width > 0)
    cond_proj = nn::Linear(s / "time_embedding" / "cond_proj", config.time_cond_width, first, false);
  if (config.added_width > 0) {
    add_linear_1 = nn::Linear(s / "add_embedding" / "linear_1", config.added_width, temb);
    add_linear_2 = nn::Linear(s / "add_embedding" / "linear_2", temb, temb);
  }

  const auto resnet = [&](const Scope& at, int64_t in, int64_t out) {
    return ResnetBlock2D(at, in, out, temb, groups, config.norm_eps);
  };
  const int64_t blocks = static_cast<int64_t>(config.down.size());
  std::vector<int64_t> skips{first};
  int64_t channels = first;
  for (int64_t i = 0; i < blocks; ++i) {
    const UNetBlockConfig& c = config.down[static_cast<size_t>(i)];
    const Scope b = s / "down_blocks" / i;
    DownBlock& block = down_blocks.emplace_back();
    block.path = b.path();
    for (int64_t j = 0; j < c.layers; ++j) {
      block.resnets.push_back(resnet(b / "resnets" / j, channels, c.channels));
      if (c.cross_attention)
        block.attentions.emplace_back(b / "attentions" / j, c, c.transformer_layers[static_cast<size_t>(j)], config);
      channels = c.channels;
      skips.push_back(channels);
    }
    if (i + 1 < blocks) {
      block.downsampler.emplace(b / "downsamplers" / 0 / "conv", channels, channels, 3, 2);
      skips.push_back(channels);
    }
  }

  if (config.has_mid) {
    const Scope b = s / "mid_block";
    mid_block.emplace();
    mid_block->path = b.path();
    mid_block->resnets.push_back(resnet(b / "resnets" / 0, channels, channels));
    if (config.mid.cross_attention) {
      mid_block->attentions.emplace_back(b / "attentions" / 0, config.mid, config.mid.transformer_layers[0], config);
      mid_block->resnets.push_back(resnet(b / "resnets" / 1, channels, channels));
    }
  }

  for (int64_t i = 0; i < blocks; ++i) {
    const UNetBlockConfig& c = config.up[static_cast<size_t>(i)];
    const Scope b = s / "up_blocks" / i;
    UpBlock& block = up_blocks.emplace_back();
    block.path = b.path();
    for (int64_t j = 0; j < c.layers; ++j) {
      block.resnets.push_back(resnet(b / "resnets" / j, channels + skips.back(), c.channels));
      if (c.cross_attention)
        block.attentions.emplace_back(b / "attentions" / j, c, c.transformer_layers[static_cast<size_t>(j)], config);
      channels = c.channels;
      skips.pop_back();
    }
    if (i + 1 < blocks) block.upsampler.emplace(b / "upsamplers" / 0 / "conv", channels, channels, 3);
  }
  conv_norm_out = nn::GroupNorm(s / "conv_norm_out", first, groups, config.norm_eps);
  conv_out = nn::Conv2d(s / "conv_out", first, config.out_channels, 3);
}

void UNet2DConditionModel::check_inputs(const UNetInputs& in) const {
  if (in.sample.shape().rank() != 4 || in.sample.dim(3) != config_.in_channels)
    fail(ErrorCode::InvalidArgument, "unet input: want [N, H, W, {}] found {}", config_.in_channels, to_string(in.sample.shape()));
  const int64_t context = config_.mid.context_width;
  if (in.text.shape().rank() != 3 || in.text.dim(2) != context)
    fail(ErrorCode::InvalidArgument, "unet text: want [N, tokens, {}] found {}; the text encoder is of another model", context,
         to_string(in.text.shape()));
  if (config_.added_width > 0 && (!in.pooled_text || !in.sizes))
    fail(ErrorCode::InvalidArgument, "unet: this model wants a pooled text vector and sizes (SDXL)");
}

Value UNet2DConditionModel::embed_time(const UNetInputs& in) const {
  const DType dtype = in.sample.dtype();
  Graph& g = in.sample.graph();
  const int64_t n = in.sample.dim(0);
  Value t = ops::timestep_embedding(in.timestep, config_.down[0].channels, config_.flip_sin_to_cos, config_.freq_shift, dtype);
  g.label(t, "time_proj");
  if (in.guidance_embedding) t = ops::add(t, cond_proj(in.guidance_embedding));
  Value temb = g.label(time_linear_2(ops::silu(time_linear_1(t))), "time_embedding");
  if (config_.added_width > 0) {
    const Value sizes = ops::timestep_embedding(ops::reshape(in.sizes, {-1}), config_.size_embedding, config_.flip_sin_to_cos,
                                                config_.freq_shift, dtype);
    const Value added = ops::concat({in.pooled_text, ops::reshape(sizes, {n, -1})}, 1);
    const Value add_embedding = g.label(add_linear_2(ops::silu(add_linear_1(added))), "add_embedding");
    temb = ops::add(temb, add_embedding);
  }
  return temb;
}

Value UNet2DConditionModel::run_down(const DownBlock& block, Value x, Value temb, Value text, std::vector<Value>& skips) const {
  x.graph().begin_segment(block.path);
  for (size_t i = 0; i < block.resnets.size(); ++i) {
    x = block.resnets[i](x, temb);
    if (!block.attentions.empty()) x = block.attentions[i](x, text);
    skips.push_back(x);
  }
  if (block.downsampler) skips.push_back(x = (*block.downsampler)(x));
  return x;
}

Value UNet2DConditionModel::run_up(const UpBlock& block, Value x, Value temb, Value text, std::vector<Value>& skips) const {
  x.graph().begin_segment(block.path);
  for (size_t i = 0; i < block.resnets.size(); ++i) {
    x = block.resnets[i](ops::concat({x, skips.back()}, 3), temb);
    skips.pop_back();
    if (!block.attentions.empty()) x = block.attentions[i](x, text);
  }
  if (!block.upsampler) return x;
  // The next skip's size rather than twice this one: sizes that are no multiple of 8 round up on the way down.
  return (*block.upsampler)(ops::upsample_nearest(x, skips.back().dim(1), skips.back().dim(2)));
}

Value UNet2DConditionModel::operator()(const UNetInputs& in) const {
  check_inputs(in);
  Graph& g = in.sample.graph();
  const Value temb = ops::silu(embed_time(in));
  Value x = conv_in(in.sample);
  std::vector<Value> skips{x};
  for (const DownBlock& block : down_blocks) x = run_down(block, x, temb, in.text, skips);
  NIBBLE_CHECK(in.down_residuals.empty() || in.down_residuals.size() == skips.size(), "{} residuals for {} skips",
               in.down_residuals.size(), skips.size());
  for (size_t i = 0; i < in.down_residuals.size(); ++i) skips[i] = ops::add(skips[i], in.down_residuals[i]);

  if (mid_block) {
    g.begin_segment(mid_block->path);
    x = mid_block->resnets[0](x, temb);
    if (!mid_block->attentions.empty()) x = mid_block->resnets[1](mid_block->attentions[0](x, in.text), temb);
  }
  if (in.mid_residual) x = ops::add(x, in.mid_residual);

  for (const UpBlock& block : up_blocks) x = run_up(block, x, temb, in.text, skips);
  g.begin_segment("conv_out");
  return conv_out(ops::silu(conv_norm_out(x)));
}

}  // namespace nibble::models
