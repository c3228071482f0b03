// The Fréchet distance of two Gaussians (Dowson & Landau 1982), FID where the features are the 2015 Inception's (Heusel et al.
// 2017). Print beside it the pipeline, both numbers of pictures and the reference's name: E[FID_n] = FID_∞ + c/n with a c that
// depends on the model, so distances of different n must not be compared.
#pragma once

#include <functional>

#include "metrics/feature_statistics.h"

namespace nibble {

struct FrechetDistance {
  double value = 0;      // mean_term + trace_a + trace_b - 2 trace_root; may be a little below 0 for equal sets, never clamped
  double mean_term = 0;  // ‖μa - μb‖²
  double trace_a = 0, trace_b = 0;
  double trace_root = 0;  // tr (Σa Σb)^½
};

// The trace of the root is Σ √λ of FᵀΣF, where FFᵀ is the covariance of smaller rank (pivoted Cholesky, cut at count - 1 and at
// round-off) and Σ the other one: symmetric, so real; eigenvalues below 0 are round-off and count as 0. No jitter is added.
// Throws Error{InvalidArgument} for different widths and for numbers that are not finite.
FrechetDistance frechet_distance(Context& context, const FeatureGaussian& a, const FeatureGaussian& b);

// FID_∞ (Chong & Forsyth 2020): the distance at 1/n = 0 of the least-squares line through (1/n, distance of n pictures).
// `distance_of(n)` is asked for `points` sizes evenly spaced from `smallest` to `largest`.
double extrapolated_distance(const std::function<double(int64_t)>& distance_of, int64_t smallest, int64_t largest, int64_t points = 15);

}  // namespace nibble
