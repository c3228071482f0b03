// Limits on a predicted picture.
#pragma once

#include <span>

namespace nibble {

void clip_sample(std::span<float> x, float range);

// Saharia et al. 2022 (Imagen), section 2.3: the `ratio` quantile of |x|, between 1 and `max`, becomes the limit, and x
// is divided by it. The span is one picture.
void dynamic_threshold(std::span<float> x, double ratio, double max);

}  // namespace nibble
