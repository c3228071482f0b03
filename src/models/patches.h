// The front of a vision transformer (Dosovitskiy et al. 2021): square patches as vectors, a class token before them,
// and a learned position added to each.
#pragma once

#include "nn/layers.h"

namespace nibble::models {

// A convolution of kernel and stride `patch` without padding: weight [width, 3, patch, patch], bias [width] where
// wanted.
class PatchProjection {
 public:
  PatchProjection() = default;
  PatchProjection(const Scope& scope, int64_t width, int64_t patch, bool bias);
  Value operator()(Value pixels) const;  // f32 [N, H, W, 3] -> [N, (H / patch) · (W / patch), width], row by row

 private:
  Parameter weight_, bias_;
  int64_t patch_ = 1;
};

// patches [N, L, width], class token [width], positions [L + 1, width] -> [N, L + 1, width].
Value with_class_token(Value patches, const Parameter& class_token, const Parameter& positions);

}  // namespace nibble::models
