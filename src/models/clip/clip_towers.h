// Both halves of a published CLIP in one file, under transformers' names or OpenAI's (open_clip's too). The sizes are
// deduced from the tensors; heads are 64 wide and the activation is QuickGELU, as in every CLIP that OpenAI published.
#pragma once

#include <memory>

#include "formats/weight_file.h"
#include "models/clip/clip.h"
#include "models/clip/clip_vision.h"

namespace nibble::models {

struct ClipTowers {
  ClipConfig text;
  ClipVisionConfig vision;
  std::shared_ptr<const WeightSource> text_weights, vision_weights;
};

// Throws Error{InvalidArgument} naming the file where it holds no such pair, Error{Corrupt} where shapes contradict
// each other.
ClipTowers read_clip_towers(const WeightFile& file);

}  // namespace nibble::models
