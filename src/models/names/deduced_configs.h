// The config.json that a diffusers folder of the same network would hold, deduced from the shapes of its tensors.
#pragma once

#include <string>

#include "base/json.h"
#include "models/names/named_tensors.h"

namespace nibble::models {

enum class Family : uint8_t { Unknown, Sd1, Sd2, Sdxl, SdxlRefiner };
const char* to_string(Family family);  // "unknown", "sd1", "sd2", "sdxl", "sdxl-refiner"

// What weights say about prediction: nothing, except for the empty tensors that some SDXL checkpoints carry.
struct TrainingMarks {
  bool v_prediction = false;       // "v_pred"
  bool zero_terminal_snr = false;  // "ztsnr"
};

// Tensors are under diffusers' names. `pooled` is the width of SDXL's pooled text vector, 0 when its encoder is absent.
// Throws Corrupt where the shapes contradict each other or blocks are missing.
Json deduce_unet_config(const NamedTensors& tensors, Family family, int64_t pooled);
Json deduce_vae_config(const NamedTensors& tensors, Family family);
Json deduce_tiny_vae_config(const NamedTensors& tensors);
Json deduce_clip_config(const NamedTensors& tensors, Family family, bool second);

// The scheduler of the family's reference checkpoint. 2.x follows 2.1 (v-prediction), its inpainting model epsilon.
Json family_scheduler_config(Family family, int64_t in_channels, TrainingMarks marks);

}  // namespace nibble::models
