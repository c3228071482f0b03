// What a person asks of a text-to-image or image-to-image run. Unset fields take the model's own defaults.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "image/image.h"
#include "kernels/attention/form.h"
#include "samplers/registry.h"
#include "tensor/dtype.h"
#include "text/prompt.h"

namespace nibble {

enum class GuidanceMode : uint8_t {
  Auto,        // batched where the memory budget allows
  Batched,     // prompt and negative prompt in one pass of two
  Sequential,  // one after the other: half the activations, the same bits
};

struct GenerateRequest {
  std::string prompt;
  std::optional<std::string> negative_prompt;
  PromptSyntax syntax = PromptSyntax::A1111;
  int64_t clip_skip = 0;  // layers left out beyond the model's habit

  int64_t width = 0, height = 0;  // pixels; 0: the model's training size
  int steps = 0;
  std::optional<double> guidance;  // classifier-free guidance scale; at most 1: none
  double guidance_rescale = 0;     // Lin et al. 2023, 3.4
  std::string sampler;             // empty: the checkpoint's own
  SamplerOptions sampler_options;

  int64_t seed = -1;  // picture i uses seed + i; -1: random
  int count = 1;
  DType precision = DType::F32;  // of activations: F32 or BF16
  AttentionForm attention = AttentionForm::Float;  // of the denoiser
  GuidanceMode guidance_mode = GuidanceMode::Auto;
  int64_t vae_tiles = 0;    // strips of the picture that the decoder works through: 0 as the memory limit needs, 1 none, -1 about 64 rows each
  size_t memory_limit = 0;  // bytes of peak memory; 0: none

  std::optional<Image> init;  // image-to-image
  double strength = 0.8;      // share of the schedule that is run on it
  int preview_every = 0;      // steps between previews; 0: none
};

}  // namespace nibble
