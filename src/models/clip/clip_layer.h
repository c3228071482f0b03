// One pre-norm transformer block of CLIP (Radford et al. 2021), the same in both towers.
#pragma once

#include "nn/layers.h"

namespace nibble::models {

class ClipLayer {
 public:
  struct Options {
    int64_t width, mlp_width, heads;
    float eps;
    nn::Activation activation;
    bool causal;
  };
  ClipLayer(const Scope& scope, const Options& options);
  Value operator()(Value x) const;  // [N, L, width]

 private:
  std::string path_;
  Options options_;
  nn::LayerNorm layer_norm1, layer_norm2;
  nn::Linear q_proj, k_proj, v_proj, out_proj, fc1, fc2;
};

}  // namespace nibble::models
