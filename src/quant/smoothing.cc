#include <cmath>

#include "quant/quantizer.h"

namespace nibble::quant {

std::vector<SmoothingCandidate> smoothing_candidates(int grids) {
  std::vector<SmoothingCandidate> out{{0, 0}};
  for (const bool both : {false, true})
    for (int i = 1; i < grids; ++i) {
      const float alpha = static_cast<float>(i) / static_cast<float>(grids);
      out.push_back({alpha, both ? 1 - alpha : 0});
    }
  return out;
}

std::vector<float> smoothing_vector(const SmoothingCandidate& c, const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> s(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    s[i] = std::pow(a[i], c.alpha) / std::pow(b[i], c.beta);
    if (s[i] == 0) s[i] = 1;
    if (!std::isfinite(s[i])) return std::vector<float>(a.size(), 1.0f);
  }
  return s;
}

}  // namespace nibble::quant
