// BLIP (Li et al. 2022) as ImageReward holds it: a vision transformer, and BERT whose every layer also attends to the
// picture.
#pragma once

#include <vector>

#include "base/json.h"
#include "formats/weight_file.h"
#include "models/patches.h"

namespace nibble::models {

struct BlipConfig {
  struct Vision {
    int64_t image = 224, patch = 16, width = 1024, mlp_width = 4096, layers = 24, heads = 16;
    float eps = 1e-6f;
  } vision;
  struct Text {
    int64_t vocabulary = 30524, positions = 512, width = 768, mlp_width = 3072, layers = 12, heads = 12;
    float eps = 1e-12f;
  } text;

  // {"vision": {…}, "text": {…}} with these names; for tests.
  static BlipConfig from_json(const Json& json, const std::string& where);
  // From the shapes of the tensors under `prefix`; heads are 64 wide. Throws Error{InvalidArgument} naming the file
  // where it holds no BLIP.
  static BlipConfig deduce(const WeightFile& file, const std::string& prefix);
};

class BlipVision {  // cls_token, pos_embed, patch_embed.proj, blocks.N, norm
 public:
  BlipVision(const Scope& scope, const BlipConfig::Vision& config);
  // f32 [N, image, image, 3], normalised with kClipNorm -> [N, 1 + patches, width].
  Value operator()(Value pixels) const;

 private:
  struct Block {
    std::string path;
    nn::LayerNorm norm1, norm2;
    nn::Linear qkv, proj, fc1, fc2;
  };
  Value run_block(const Block& block, Value x) const;

  BlipConfig::Vision config_;
  Parameter cls_token, pos_embed;
  PatchProjection patch_embed;
  std::vector<Block> blocks;
  nn::LayerNorm norm;
};

class BlipText {  // embeddings, encoder.layer.N; no token types, no pooler
 public:
  BlipText(const Scope& scope, const BlipConfig::Text& config, int64_t picture_width);

  // ids i32 [N, L], mask f32 [N, 1, 1, L] (0, or -10000 at padding), picture [N, P, picture_width] -> [N, L, width].
  Value operator()(Value ids, Value mask, Value picture) const;

 private:
  struct Attention {
    std::string path;
    nn::Linear query, key, value, dense;
    nn::LayerNorm norm;
  };
  struct Layer {
    std::string path;
    Attention attention, crossattention;
    nn::Linear intermediate, output;
    nn::LayerNorm norm;
  };
  Attention bind_attention(const Scope& scope, int64_t context_width) const;
  Value attend(const Attention& a, Value x, Value context, Value mask) const;

  BlipConfig::Text config_;
  nn::Embedding word_embeddings, position_embeddings;
  nn::LayerNorm norm;
  std::vector<Layer> layers;
};

}  // namespace nibble::models
