#include "samplers/constrain.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace nibble {

void clip_sample(std::span<float> x, float range) {
  for (float& value : x) value = std::min(std::max(value, -range), range);
}

void dynamic_threshold(std::span<float> x, double ratio, double max) {
  if (x.empty()) return;
  std::vector<float> sizes;
  constexpr float kLargest = std::numeric_limits<float>::max();
  for (const float value : x) sizes.push_back(std::fmin(std::fabs(value), kLargest));  // NaN has no place in an order
  std::sort(sizes.begin(), sizes.end());
  const float rank = std::clamp(static_cast<float>(ratio), 0.0f, 1.0f) * static_cast<float>(sizes.size() - 1);
  const size_t low = static_cast<size_t>(rank), high = std::min(low + 1, sizes.size() - 1);
  const float weight = rank - static_cast<float>(low);
  const float quantile = sizes[low] + weight * (sizes[high] - sizes[low]);
  const float limit = std::min(std::max(quantile, 1.0f), static_cast<float>(max));
  for (float& value : x) value = std::min(std::max(value, -limit), limit) / limit;
}

}  // namespace nibble
