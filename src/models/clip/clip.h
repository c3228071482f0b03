// The text half of CLIP (Radford et al. 2021): ViT-L, OpenCLIP-H and -bigG as transformers' CLIPTextModel and
// CLIPTextModelWithProjection name them.
#pragma once

#include <optional>
#include <vector>

#include "base/json.h"
#include "models/clip/clip_layer.h"

namespace nibble::models {

struct ClipConfig {
  int64_t vocabulary = 49408, positions = 77;
  int64_t width = 768, mlp_width = 3072, layers = 12, heads = 12;
  int64_t projection = 0;  // 0: no text_projection
  float eps = 1e-5f;
  nn::Activation activation = nn::Activation::QuickGelu;
  int64_t eos_token = 49407;

  // `with_projection`: the class is CLIPTextModelWithProjection.
  static ClipConfig from_json(const Json& json, bool with_projection, const std::string& where);
};

class ClipTextModel {
 public:
  ClipTextModel(const Scope& scope, const ClipConfig& config);

  struct Output {
    Value hidden;  // [N, L, width] of the chosen layer
    Value pooled;  // [N, width] at the end-of-text token, or [N, projection] where the model has one
  };
  // ids i32 [N, L], end i32 [N]: position of the end-of-text token. `hidden` is the output after all but the last `skip`
  // layers, behind the final norm where `final_norm`; the pooled vector always comes from the last layer.
  Output operator()(Value ids, Value end, int64_t skip, bool final_norm, DType dtype) const;
  const ClipConfig& config() const { return config_; }
  size_t token_table_bytes() const { return token_embedding.weight().tensor.bytes(); }

 private:
  ClipConfig config_;
  nn::Embedding token_embedding;
  nn::Embedding position_embedding;
  std::vector<ClipLayer> layers;
  nn::LayerNorm final_layer_norm;
  std::optional<nn::Linear> text_projection;
};

// The position that CLIP pools, per row of ids: the first `eos_token`; or the largest id for configs that say 2, as transformers
// reads the first published ones.
int64_t end_of_text(const std::vector<int32_t>& ids, int64_t eos_token);

}  // namespace nibble::models
