// A multi-layer head without activations, as the LAION aesthetic predictor and ImageReward have: at inference one
// affine map.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "formats/weight_file.h"

namespace nibble {

struct AffineHead {
  std::vector<double> weights;
  double bias = 0;

  double operator()(std::span<const float> vector) const;
};

// Folds the linear layers <prefix>0, 2, 4, 6 and 7 (.weight, .bias; dropout lies between) for vectors of `width`.
// Throws Error{NotFound} for a missing tensor, Error{InvalidArgument} naming file, tensor, want and find for other
// shapes.
AffineHead read_affine_head(const WeightFile& file, const std::string& prefix, int64_t width);

}  // namespace nibble
