// Classifier-free guidance on spans of one picture's model outputs.
#pragma once

#include <span>

namespace nibble {

// Ho and Salimans 2021: out = negative + scale * (positive - negative). `out` may be one of the inputs.
void combine_guidance(std::span<const float> negative, std::span<const float> positive, float scale,
                      std::span<float> out);

// Lin et al. 2023, section 3.4: `guided` gets the standard deviation of `positive`, mixed in by `factor` in [0, 1].
// Each span is one picture (diffusers takes the deviation of each separately).
void rescale_guidance(std::span<float> guided, std::span<const float> positive, float factor);

}  // namespace nibble
