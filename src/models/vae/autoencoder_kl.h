// AutoencoderKL: resnet blocks around a middle with one attention over all pixels. Names are the checkpoint's own.
#pragma once

#include "models/unet/unet.h"
#include "models/vae/vae.h"

namespace nibble::models {

// group_norm, to_q, to_k, to_v, to_out.0 (or query, key, value, proj_attn in older files): one head over all pixels.
class VaeAttention {
 public:
  VaeAttention(const Scope& scope, int64_t channels, int64_t groups);
  Value operator()(Value x) const;

 private:
  std::string path_;
  nn::GroupNorm group_norm;
  nn::Linear to_q, to_k, to_v, to_out;
};

struct VaeMidBlock {
  VaeMidBlock(const Scope& scope, int64_t channels, const VaeConfig& config);
  Value operator()(Value x) const;
  ResnetBlock2D first, second;
  std::optional<VaeAttention> attention;
};

struct VaeBlock {
  std::string path;
  std::vector<ResnetBlock2D> resnets;
  std::optional<nn::Conv2d> sampler;  // downsampler of the encoder, upsampler of the decoder
};

class AutoencoderKL : public Vae {
 public:
  AutoencoderKL(const Scope& scope, const VaeConfig& config, VaeParts parts);
  Value encode(Value picture, bool moments) const override;
  Value decode(Value latent, const Strips& strips) const override;
  const VaeConfig& config() const override { return config_; }

 private:
  struct Half {
    nn::Conv2d conv_in, conv_out;
    std::vector<VaeBlock> blocks;
    std::optional<VaeMidBlock> mid_block;
    nn::GroupNorm conv_norm_out;
  };
  void bind_encoder(const Scope& scope);
  void bind_decoder(const Scope& scope);

  VaeConfig config_;
  std::optional<Half> encoder, decoder;
  std::optional<nn::Conv2d> quant_conv, post_quant_conv;
};

}  // namespace nibble::models
