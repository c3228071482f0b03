// Autoencoders between pictures and latents: AutoencoderKL (Rombach et al. 2022) and the tiny ones (TAESD, AutoencoderTiny).
// Pictures are [N, H, W, 3] in [-1, 1]; latents [N, h, w, channels] in the units of the denoising network.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "models/strips.h"
#include "nn/layers.h"

namespace nibble::models {

struct VaeConfig {
  int64_t latent_channels = 4;
  int64_t factor = 8;         // picture pixels per latent
  float scaling = 0.18215f;   // latent for the denoiser = (z - shift) * scaling
  float shift = 0;
  std::vector<int64_t> channels;  // AutoencoderKL: block_out_channels
  int64_t layers = 2;             // resnets of an encoder block; the decoder has one more
  int64_t norm_groups = 32;
  bool mid_attention = true, quant_conv = true, post_quant_conv = true;
  bool tiny = false;
  std::vector<int64_t> encoder_blocks, decoder_blocks;      // tiny: num_encoder_blocks, …
  std::vector<int64_t> encoder_channels, decoder_channels;  // tiny
  nn::Activation activation = nn::Activation::Relu;         // tiny
  bool pool_blocks = false;  // tiny: the blocks of the innermost level see the whole picture (TAEF2)

  // From an AutoencoderKL or AutoencoderTiny config.json.
  static VaeConfig from_json(const Json& json, const std::string& where);
};

// One network, either direction may be absent from a file and is then bound only when asked for.
class Vae {
 public:
  virtual ~Vae() = default;
  // The mean of the latent distribution, in the denoiser's units. With `moments` (AutoencoderKL) the raw [mean | logvar].
  virtual Value encode(Value picture, bool moments = false) const = 0;
  // In strips (of one picture) the finest levels hold one strip's activations at a time and do part of their work more than once.
  virtual Value decode(Value latent, const Strips& strips = {}) const = 0;
  virtual const VaeConfig& config() const = 0;
};

enum class VaeParts { Both, Encoder, Decoder };

std::unique_ptr<Vae> make_vae(const Scope& scope, const VaeConfig& config, VaeParts parts);

}  // namespace nibble::models
