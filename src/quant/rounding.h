// The grid a weight is rounded to: static scales, fixed before any code is chosen.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/quantizer.h"

namespace nibble::quant {

struct Grid {
  QuantShape shape;
  std::vector<float> scales;    // [n]
  std::vector<int16_t> ratios;  // [n, taps, groups], Int4 only
};

Grid make_grid(Context& context, const Matrix& weight, const QuantShape& shape);

inline int ratio_of(const Grid& g, int64_t n, int64_t tap, int64_t k) {
  if (g.shape.kind == WeightKind::Int8) return kRatioOne;
  return g.ratios[static_cast<size_t>((n * g.shape.taps + tap) * g.shape.groups() + k / g.shape.group)];
}

// The distance of neighbouring codes.
inline float step_of(const Grid& g, int64_t n, int64_t tap, int64_t k) {
  return static_cast<float>(ratio_of(g, n, tap, k)) * (1.0f / kRatioOne) * g.scales[static_cast<size_t>(n)];
}

// Ties go to the even code: next to 1.5 · 2^23 the neighbouring floats are the integers. No branches: rows are rounded side by side.
inline int8_t nearest_code(float w, float step, WeightKind kind) {
  const float limit = kind == WeightKind::Int8 ? kInt8Max : kInt4Max;
  const float steps = w / (step > 0 ? step : std::numeric_limits<float>::infinity());
  const float inside = std::min(std::max(steps, -limit), limit);
  return static_cast<int8_t>(static_cast<int32_t>(inside + 0x1.8p23f - 0x1.8p23f));
}

inline float executed_value(int code, int ratio, float scale, Executed form) {
  return form == Executed::Panel ? static_cast<float>(panel_code(code, ratio)) * scale
                                 : static_cast<float>(code * ratio) * (1.0f / kRatioOne) * scale;
}

// The weight as executed, [n, taps · k].
Matrix executed_matrix(Context& context, const QuantWeight& weight, Executed form);

}  // namespace nibble::quant
