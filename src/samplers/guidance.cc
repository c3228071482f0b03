#include "samplers/guidance.h"

#include <cmath>

#include "base/check.h"

namespace nibble {
namespace {

// Unbiased, as torch.std.
float standard_deviation(std::span<const float> x) {
  double sum = 0, squares = 0;
  for (const float value : x) sum += value;
  const double mean = sum / static_cast<double>(x.size());
  for (const float value : x) squares += (value - mean) * (value - mean);
  return static_cast<float>(std::sqrt(squares / static_cast<double>(x.size() - 1)));
}

}  // namespace

void combine_guidance(std::span<const float> negative, std::span<const float> positive, float scale,
                      std::span<float> out) {
  NIBBLE_CHECK(negative.size() == out.size() && positive.size() == out.size());
  for (size_t k = 0; k < out.size(); ++k) out[k] = negative[k] + scale * (positive[k] - negative[k]);
}

void rescale_guidance(std::span<float> guided, std::span<const float> positive, float factor) {
  NIBBLE_CHECK(guided.size() == positive.size() && guided.size() > 1);
  const float ratio = standard_deviation(positive) / standard_deviation(guided);
  const float rest = 1.0f - factor;
  for (float& x : guided) x = factor * (x * ratio) + rest * x;
}

}  // namespace nibble
