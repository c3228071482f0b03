// The published config of a UNet2DConditionModel, reduced to what differs between Stable Diffusion's families.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace nibble::models {

struct UNetBlockConfig {
  int64_t channels;
  int64_t layers;  // resnets
  int64_t heads;
  std::vector<int64_t> transformer_layers;  // of the attention behind each resnet
  int64_t context_width;
  bool cross_attention;
};

struct UNetConfig {
  int64_t in_channels = 4, out_channels = 4;
  std::vector<UNetBlockConfig> down, up;  // outermost (largest picture) first; up is in order of execution
  UNetBlockConfig mid{};
  bool has_mid = true;
  int64_t norm_groups = 32;
  float norm_eps = 1e-5f;
  bool linear_projection = false;  // proj_in and proj_out of the transformers are linear layers
  bool flip_sin_to_cos = true;
  float freq_shift = 0;
  int64_t time_cond_width = 0;     // guidance embedding of LCM models; 0: none
  int64_t size_embedding = 0;      // SDXL: width of each of the six sizes' embedding; 0: no added conditions
  int64_t added_width = 0;         // SDXL: pooled text and sizes together

  // Throws Error{Corrupt} or Error{Unsupported} naming `where` and the field.
  static UNetConfig from_json(const Json& json, const std::string& where);
};

}  // namespace nibble::models
