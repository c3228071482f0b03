// CLIP-IQA (Wang et al. 2023) with a whole CLIP, as torchmetrics computes it: how much nearer a picture is to a
// praising prompt than to its opposite. SVDQuant's evaluation takes ViT-L/14 and the pair "quality", mean over
// pictures. torchmetrics' own default network (an RN50 without positions) gives other numbers and is not built.
#pragma once

#include "metrics/clip_network.h"

namespace nibble {

struct ClipIqaPair {
  const char* name;
  const char* positive;
  const char* negative;
};
std::span<const ClipIqaPair> clip_iqa_pairs();

// Throws Error{InvalidArgument} with the known names.
const ClipIqaPair& find_clip_iqa_pair(std::string_view name);

// softmax(100 cos to the positive prompt, 100 cos to the negative one), its first number: 0…1, one a picture.
std::vector<double> clip_iqa(ClipNetwork& network, std::span<const Image> pictures, const ClipIqaPair& pair,
                             const ClipConvention& convention = {});

}  // namespace nibble
