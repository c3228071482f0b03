#include "models/clip/clip.h"

#include <algorithm>

#include "models/config_reader.h"
#include "ops/basic.h"

namespace nibble::models {

ClipConfig ClipConfig::from_json(const Json& json, bool with_projection, const std::string& where) {
  const ConfigReader c(json, where);
  ClipConfig k;
  k.vocabulary = c.size("vocab_size", 49408);
  k.positions = c.size("max_position_embeddings", 77);
  k.width = c.size("hidden_size", 512);
  k.mlp_width = c.size("intermediate_size", 2048);
  k.layers = c.size("num_hidden_layers", 12);
  k.heads = c.size("num_attention_heads", 8);
  k.projection = with_projection ? c.size("projection_dim", 512) : 0;
  k.eps = c.get<float>("layer_norm_eps", 1e-5f);
  k.activation = nn::activation_from_name(c.get<std::string>("hidden_act", "quick_gelu"), where);
  k.eos_token = c.get<int64_t>("eos_token_id", 49407);
  if (k.width % k.heads != 0) fail(ErrorCode::Corrupt, "{}: hidden_size {} with {} heads", where, k.width, k.heads);
  return k;
}

ClipTextModel::ClipTextModel(const Scope& root, const ClipConfig& config) : config_(config) {
  const Scope s = root / "text_model";
  const int64_t width = config.width;
  token_embedding = nn::Embedding(s / "embeddings" / "token_embedding", config.vocabulary, width);
  position_embedding = nn::Embedding(s / "embeddings" / "position_embedding", config.positions, width);
  const ClipLayer::Options layer{width, config.mlp_width, config.heads, config.eps, config.activation, true};
  for (int64_t i = 0; i < config.layers; ++i) layers.emplace_back(s / "encoder" / "layers" / i, layer);
  final_layer_norm = nn::LayerNorm(s / "final_layer_norm", width, config.eps);
  if (config.projection > 0) text_projection.emplace(root / "text_projection", width, config.projection, false);
}

ClipTextModel::Output ClipTextModel::operator()(Value ids, Value end, int64_t skip, bool final_norm, DType dtype) const {
  Graph& g = ids.graph();
  const int64_t n = ids.dim(0), tokens = ids.dim(1);
  if (tokens > config_.positions)
    fail(ErrorCode::InvalidArgument, "text encoder: {} tokens, the model has {} positions", tokens, config_.positions);
  if (skip < 0 || skip >= config_.layers)
    fail(ErrorCode::InvalidArgument, "clip skip {}: the text encoder has {} layers", skip, config_.layers);
  Tensor order = Tensor::zeros(DType::I32, {tokens});
  for (int64_t i = 0; i < tokens; ++i) order.mutable_values<int32_t>()[static_cast<size_t>(i)] = static_cast<int32_t>(i);
  const Value positions = position_embedding(g.constant(order), dtype);
  Value x = ops::reshape(token_embedding(ids, dtype), {n, tokens * config_.width});
  x = ops::add(x, ops::reshape(positions, {tokens * config_.width}));
  x = g.label(ops::reshape(x, {n, tokens, config_.width}), "text_model.embeddings");

  Value hidden;
  for (size_t i = 0; i < layers.size(); ++i) {
    x = layers[i](x);
    if (static_cast<int64_t>(i) + 1 + skip == config_.layers) hidden = x;
  }
  const Value normed = final_layer_norm(x);
  if (final_norm) hidden = skip == 0 ? normed : final_layer_norm(hidden);
  Value pooled = ops::pick_rows(normed, end);
  if (text_projection) pooled = (*text_projection)(pooled);
  return {hidden, pooled};
}

int64_t end_of_text(const std::vector<int32_t>& ids, int64_t eos_token) {
  if (eos_token == 2) return std::max_element(ids.begin(), ids.end()) - ids.begin();
  const auto found = std::find(ids.begin(), ids.end(), static_cast<int32_t>(eos_token));
  return found == ids.end() ? 0 : found - ids.begin();
}

}  // namespace nibble::models
