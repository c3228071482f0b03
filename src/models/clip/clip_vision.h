// The picture half of CLIP (Radford et al. 2021) as transformers' CLIPVisionModelWithProjection names it: ViT-B/32,
// B/16, L/14.
#pragma once

#include <vector>

#include "base/json.h"
#include "models/clip/clip_layer.h"
#include "models/patches.h"

namespace nibble::models {

struct ClipVisionConfig {
  int64_t image = 224, patch = 32;
  int64_t width = 768, mlp_width = 3072, layers = 12, heads = 12;
  int64_t projection = 512;
  float eps = 1e-5f;
  nn::Activation activation = nn::Activation::QuickGelu;

  static ClipVisionConfig from_json(const Json& json, const std::string& where);
};

class ClipVisionModel {
 public:
  ClipVisionModel(const Scope& scope, const ClipVisionConfig& config);

  struct Output {
    Value hidden;     // [N, 1 + patches, width] of the last layer, before the final norm
    Value embedding;  // [N, projection] of the class token, not of length 1
  };
  Output operator()(Value pixels) const;  // f32 [N, image, image, 3], normalised with kClipNorm
  const ClipVisionConfig& config() const { return config_; }

 private:
  ClipVisionConfig config_;
  Parameter class_embedding, positions;
  PatchProjection patch_embedding;
  nn::LayerNorm pre_layernorm, post_layernorm;
  std::vector<ClipLayer> layers;
  nn::Linear visual_projection;
};

}  // namespace nibble::models
