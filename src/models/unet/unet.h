// The denoising network of Stable Diffusion 1.x, 2.x and SDXL (Rombach et al. 2022; Podell et al. 2023): UNet2DConditionModel.
// Parameter and part names are the checkpoint's own. Images are [N, H, W, C].
#pragma once

#include <optional>
#include <vector>

#include "models/unet/config.h"
#include "nn/attention.h"

namespace nibble::models {

struct UNetInputs {
  Value sample;                // [N, H, W, in_channels]
  Value timestep;              // f32 [N]
  Value text;                  // encoder_hidden_states [N, tokens, width]
  Value pooled_text;           // SDXL text_embeds [N, P]
  Value sizes;                 // SDXL time_ids f32 [N, 6]
  Value guidance_embedding;    // LCM timestep_cond [N, time_cond_width], or empty
  std::vector<Value> down_residuals;  // ControlNet, one per skip connection, or none
  Value mid_residual;                 // ControlNet, or empty
};

// norm1, conv1, time_emb_proj, norm2, conv2, conv_shortcut.
class ResnetBlock2D {
 public:
  // temb_width 0: no time embedding (the VAE's blocks).
  ResnetBlock2D(const Scope& scope, int64_t in, int64_t out, int64_t temb_width, int64_t groups, float eps);
  Value operator()(Value x, Value silu_temb) const;

 private:
  std::string path_;
  nn::GroupNorm norm1, norm2;
  nn::Conv2d conv1, conv2;
  std::optional<nn::Linear> time_emb_proj;
  std::optional<nn::Conv2d> conv_shortcut;
};

// norm, proj_in, transformer_blocks, proj_out: attention over an image's pixels and the text.
class Transformer2DModel {
 public:
  Transformer2DModel(const Scope& scope, const UNetBlockConfig& block, int64_t layers, const UNetConfig& config);
  Value operator()(Value x, Value text) const;

 private:
  std::string path_;
  nn::GroupNorm norm;
  std::optional<nn::Linear> linear_in, linear_out;
  std::optional<nn::Conv2d> conv_in, conv_out;
  std::vector<nn::BasicTransformerBlock> transformer_blocks;
};

class UNet2DConditionModel {
 public:
  UNet2DConditionModel(const Scope& scope, const UNetConfig& config);
  // -> [N, H, W, out_channels]: epsilon, v or the sample, as the model was trained. Throws Error{InvalidArgument} for inputs
  // that do not fit the config.
  Value operator()(const UNetInputs& in) const;
  const UNetConfig& config() const { return config_; }

 private:
  struct DownBlock {
    std::string path;
    std::vector<ResnetBlock2D> resnets;
    std::vector<Transformer2DModel> attentions;
    std::optional<nn::Conv2d> downsampler;
  };
  struct MidBlock {
    std::string path;
    std::vector<ResnetBlock2D> resnets;
    std::vector<Transformer2DModel> attentions;
  };
  struct UpBlock {
    std::string path;
    std::vector<ResnetBlock2D> resnets;
    std::vector<Transformer2DModel> attentions;
    std::optional<nn::Conv2d> upsampler;
  };

  void check_inputs(const UNetInputs& in) const;
  Value embed_time(const UNetInputs& in) const;
  Value run_down(const DownBlock& block, Value x, Value temb, Value text, std::vector<Value>& skips) const;
  Value run_up(const UpBlock& block, Value x, Value temb, Value text, std::vector<Value>& skips) const;

  UNetConfig config_;
  nn::Conv2d conv_in, conv_out;
  nn::Linear time_linear_1, time_linear_2, add_linear_1, add_linear_2, cond_proj;
  std::vector<DownBlock> down_blocks;
  std::optional<MidBlock> mid_block;
  std::vector<UpBlock> up_blocks;
  nn::GroupNorm conv_norm_out;
};

}  // namespace nibble::models
