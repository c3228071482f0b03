#include "models/blip/blip.h"

#include "base/error.h"
#include "ops/attention.h"
#include "ops/basic.h"

namespace nibble::models {

BlipVision::BlipVision(const Scope& s, const BlipConfig::Vision& c) : config_(c) {
  const int64_t side = c.image / c.patch, width = c.width;
  cls_token = s.matrix("cls_token", {1, 1, width});
  cls_token.tensor = cls_token.tensor.to(DType::F32).reshaped({width});
  pos_embed = s.matrix("pos_embed", {1, side * side + 1, width});
  pos_embed.tensor = pos_embed.tensor.to(DType::F32);
  patch_embed = PatchProjection(s / "patch_embed" / "proj", width, c.patch, true);
  for (int64_t i = 0; i < c.layers; ++i) {
    const Scope b = s / "blocks" / i;
    blocks.push_back({b.path(), nn::LayerNorm(b / "norm1", width, c.eps), nn::LayerNorm(b / "norm2", width, c.eps),
                      nn::Linear(b / "attn" / "qkv", width, 3 * width), nn::Linear(b / "attn" / "proj", width, width),
                      nn::Linear(b / "mlp" / "fc1", width, c.mlp_width),
                      nn::Linear(b / "mlp" / "fc2", c.mlp_width, width)});
  }
  norm = nn::LayerNorm(s / "norm", width, c.eps);
}

Value BlipVision::run_block(const Block& b, Value x) const {
  Graph& g = x.graph();
  const int64_t width = config_.width;
  const Value qkv = b.qkv(b.norm1(x));
  const auto third = [&](int64_t i) { return ops::slice(qkv, 2, i * width, (i + 1) * width); };
  const Value h = b.proj(ops::attention(third(0), third(1), third(2), {.heads = config_.heads}));
  x = ops::add(g.label(h, b.path + ".attn"), x);
  return g.label(ops::add(g.label(b.fc2(ops::gelu(b.fc1(b.norm2(x)))), b.path + ".mlp"), x), b.path);
}

Value BlipVision::operator()(Value pixels) const {
  Value x = with_class_token(patch_embed(pixels), cls_token, pos_embed);
  for (const Block& block : blocks) x = run_block(block, x);
  return norm(x);
}

BlipText::BlipText(const Scope& s, const BlipConfig::Text& c, int64_t picture_width) : config_(c) {
  const Scope e = s / "embeddings";
  word_embeddings = nn::Embedding(e / "word_embeddings", c.vocabulary, c.width);
  position_embeddings = nn::Embedding(e / "position_embeddings", c.positions, c.width);
  norm = nn::LayerNorm(e / "LayerNorm", c.width, c.eps);
  for (int64_t i = 0; i < c.layers; ++i) {
    const Scope l = s / "encoder" / "layer" / i;
    layers.push_back({l.path(), bind_attention(l / "attention", c.width),
                      bind_attention(l / "crossattention", picture_width),
                      nn::Linear(l / "intermediate" / "dense", c.width, c.mlp_width),
                      nn::Linear(l / "output" / "dense", c.mlp_width, c.width),
                      nn::LayerNorm(l / "output" / "LayerNorm", c.width, c.eps)});
  }
}

BlipText::Attention BlipText::bind_attention(const Scope& s, int64_t context_width) const {
  const int64_t width = config_.width;
  return {s.path(),
          nn::Linear(s / "self" / "query", width, width),
          nn::Linear(s / "self" / "key", context_width, width),
          nn::Linear(s / "self" / "value", context_width, width),
          nn::Linear(s / "output" / "dense", width, width),
          nn::LayerNorm(s / "output" / "LayerNorm", width, config_.eps)};
}

Value BlipText::attend(const Attention& a, Value x, Value context, Value mask) const {
  const Value h = ops::attention(a.query(x), a.key(context), a.value(context), {.heads = config_.heads}, mask);
  return x.graph().label(a.norm(ops::add(a.dense(h), x)), a.path);
}

Value BlipText::operator()(Value ids, Value mask, Value picture) const {
  Graph& g = ids.graph();
  const int64_t n = ids.dim(0), tokens = ids.dim(1), width = config_.width;
  if (tokens > config_.positions)
    fail(ErrorCode::InvalidArgument, "text encoder: {} tokens, the model has {} positions", tokens, config_.positions);
  Tensor order = Tensor::zeros(DType::I32, {tokens});
  for (int64_t i = 0; i < tokens; ++i)
    order.mutable_values<int32_t>()[static_cast<size_t>(i)] = static_cast<int32_t>(i);
  const Value positions = position_embeddings(g.constant(order), DType::F32);
  Value x = ops::reshape(word_embeddings(ids, DType::F32), {n, tokens * width});
  x = ops::add(x, ops::reshape(positions, {tokens * width}));
  x = norm(ops::reshape(x, {n, tokens, width}));
  for (const Layer& l : layers) {
    x = attend(l.attention, x, x, mask);
    x = attend(l.crossattention, x, picture, {});
    x = g.label(l.norm(ops::add(l.output(ops::gelu(l.intermediate(x))), x)), l.path);
  }
  return x;
}

}  // namespace nibble::models
