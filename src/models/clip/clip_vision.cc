#include "models/clip/clip_vision.h"

#include "models/config_reader.h"
#include "ops/basic.h"

namespace nibble::models {

ClipVisionConfig ClipVisionConfig::from_json(const Json& json, const std::string& where) {
  const ConfigReader c(json, where);
  ClipVisionConfig k;
  k.image = c.size("image_size", 224);
  k.patch = c.size("patch_size", 32);
  k.width = c.size("hidden_size", 768);
  k.mlp_width = c.size("intermediate_size", 3072);
  k.layers = c.size("num_hidden_layers", 12);
  k.heads = c.size("num_attention_heads", 12);
  k.projection = c.size("projection_dim", 512);
  k.eps = c.get<float>("layer_norm_eps", 1e-5f);
  k.activation = nn::activation_from_name(c.get<std::string>("hidden_act", "quick_gelu"), where);
  c.require<int64_t>("num_channels", 3);
  if (k.width % k.heads != 0) fail(ErrorCode::Corrupt, "{}: hidden_size {} with {} heads", where, k.width, k.heads);
  if (k.image % k.patch != 0) fail(ErrorCode::Corrupt, "{}: image_size {} with patches of {}", where, k.image, k.patch);
  return k;
}

ClipVisionModel::ClipVisionModel(const Scope& root, const ClipVisionConfig& config) : config_(config) {
  const Scope s = root / "vision_model", e = s / "embeddings";
  const int64_t width = config.width, side = config.image / config.patch;
  class_embedding = e.vector("class_embedding", width);
  patch_embedding = PatchProjection(e / "patch_embedding", width, config.patch, false);
  positions = (e / "position_embedding").matrix("weight", {side * side + 1, width});
  positions.tensor = positions.tensor.to(DType::F32);
  pre_layernorm = nn::LayerNorm(s / "pre_layrnorm", width, config.eps);  // the checkpoint's spelling
  const ClipLayer::Options layer{width, config.mlp_width, config.heads, config.eps, config.activation, false};
  for (int64_t i = 0; i < config.layers; ++i) layers.emplace_back(s / "encoder" / "layers" / i, layer);
  post_layernorm = nn::LayerNorm(s / "post_layernorm", width, config.eps);
  visual_projection = nn::Linear(root / "visual_projection", width, config.projection, false);
}

ClipVisionModel::Output ClipVisionModel::operator()(Value pixels) const {
  Graph& g = pixels.graph();
  Value x = g.label(with_class_token(patch_embedding(pixels), class_embedding, positions), "vision_model.embeddings");
  x = pre_layernorm(x);
  for (const ClipLayer& layer : layers) x = layer(x);
  const Value first = ops::reshape(ops::slice(x, 1, 0, 1), {x.dim(0), config_.width});
  return {x, visual_projection(post_layernorm(first))};
}

}  // namespace nibble::models
