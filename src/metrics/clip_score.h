// CLIP score (Hessel et al. 2021): how well pictures fit their prompts, 100 cos of CLIP's two vectors. Which network
// and which convention belongs to the number: torchmetrics and SVDQuant's evaluation use ViT-L/14 with
// kTorchMetricsClip, MLPerf ViT-B/32 with kOpenAiClip and no clamp.
#pragma once

#include "metrics/clip_network.h"

namespace nibble {

// One score a pair, -100…100. Throws Error{InvalidArgument} where the numbers of pictures and prompts differ.
std::vector<double> clip_scores(ClipNetwork& network, std::span<const Image> pictures,
                                std::span<const std::string> prompts, const ClipConvention& convention = {});

// torchmetrics' result: the mean, at least 0. The clamp is on the mean, never on a pair. NaN for none.
double clip_score(std::span<const double> scores);

}  // namespace nibble
