// The LAION aesthetic predictor (Schuhmann 2022): how much people would like a picture, about 1…10, read off the vector
// that CLIP ViT-L/14 gives it.
#pragma once

#include "metrics/affine_head.h"
#include "metrics/clip_network.h"

namespace nibble {

// The head's file, e.g. sac+logos+ava1-l14-linearMSE.pth. Throws what open_weights and read_affine_head throw.
AffineHead read_aesthetic_head(const std::filesystem::path& file);

// One score a picture; vectors are made of length 1 first, pictures are prepared as openai/CLIP does.
// Throws Error{InvalidArgument} where the network's vectors are not as wide as the head's.
std::vector<double> aesthetic_scores(ClipNetwork& network, const AffineHead& head, std::span<const Image> pictures);

// The head on vectors [n, width] of any length.
std::vector<double> aesthetic_scores(const AffineHead& head, const Tensor& vectors);

}  // namespace nibble
