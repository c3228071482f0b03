#include <algorithm>
#include <cmath>

#include "quant/rounding.h"
#include "tensor/dtype.h"

namespace nibble::quant {

namespace {

float largest(const float* w, int64_t count) {
  float most = 0;
  for (int64_t i = 0; i < count; ++i) most = std::max(most, std::abs(w[i]));
  return most;
}

// The smallest bf16 not below: nothing is cut off at the largest code.
float stored_scale(float scale) {
  const float nearest = to_float(to_bf16(scale));
  return nearest >= scale ? nearest : to_float(to_bf16(scale * (1 + 0x1p-8f)));
}

float int4_scales(const float* w, const QuantShape& s, int16_t* ratios) {
  std::vector<float> wanted(static_cast<size_t>(s.taps * s.groups()));
  for (int64_t tap = 0; tap < s.taps; ++tap)
    for (int64_t g = 0; g < s.groups(); ++g)
      wanted[static_cast<size_t>(tap * s.groups() + g)] =
          largest(w + tap * s.k + g * s.group, std::clamp<int64_t>(s.k - g * s.group, 0, s.group)) / kInt4Max;
  const float channel = stored_scale(split_group_scales(wanted.data(), s.taps * s.groups(), ratios));
  for (size_t i = 0; i < wanted.size(); ++i)
    ratios[i] = static_cast<int16_t>(channel > 0 ? std::min<long>(kRatioMax, std::lround(kRatioOne * wanted[i] / channel)) : 0);
  return channel;
}

}  // namespace

Grid make_grid(Context& context, const Matrix& weight, const QuantShape& s) {
  Grid g{s, std::vector<float>(static_cast<size_t>(s.n)), {}};
  g.ratios.resize(static_cast<size_t>(s.n * s.taps * s.groups()));
  context.threads.run(s.n, 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n)
      g.scales[static_cast<size_t>(n)] = s.kind == WeightKind::Int8
                                             ? stored_scale(largest(weight.row(n), weight.cols) / kInt8Max)
                                             : int4_scales(weight.row(n), s, g.ratios.data() + n * s.taps * s.groups());
  });
  return g;
}

Matrix executed_matrix(Context& context, const QuantWeight& q, Executed form) {
  const QuantShape& s = q.shape;
  const bool four = s.kind == WeightKind::Int4;
  const int64_t group = four ? s.group : s.k;
  Matrix out(s.n, s.taps * s.k);
  each_row(context, s.n, [&](int64_t n) {
    for (int64_t tap = 0; tap < s.taps; ++tap)
      for (int64_t first = 0; first < s.k; first += group) {
        const int ratio = four ? q.ratios[static_cast<size_t>((n * s.taps + tap) * s.groups() + first / group)] : kRatioOne;
        const int8_t* codes = q.codes.data() + n * out.cols + tap * s.k;
        for (int64_t k = first; k < std::min(first + group, s.k); ++k)
          out.row(n)[tap * s.k + k] = executed_value(codes[k], ratio, q.scales[static_cast<size_t>(n)], form);
      }
  });
  return out;
}

QuantWeight round_to_nearest(Context& context, const Matrix& weight, const QuantShape& s) {
  const Grid g = make_grid(context, weight, s);
  QuantWeight q{s, std::vector<int8_t>(weight.values.size()), g.scales, g.ratios};
  const int64_t group = s.kind == WeightKind::Int8 ? s.k : s.group;
  context.threads.run(s.n, 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n)
      for (int64_t tap = 0; tap < s.taps; ++tap)
        for (int64_t first = 0; first < s.k; first += group) {
          const float step = step_of(g, n, tap, first);
          const int64_t at = n * weight.cols + tap * s.k;
          for (int64_t k = first; k < std::min(first + group, s.k); ++k)
            q.codes[static_cast<size_t>(at + k)] = nearest_code(weight.values[static_cast<size_t>(at + k)], step, s.kind);
        }
  });
  return q;
}

}  // namespace nibble::quant
