#include <algorithm>
#include <cmath>

#include "kernels/quantize/quantize.h"
#include "quant/quantizer.h"

namespace nibble::quant {
namespace {

// The largest |x · input_scale| of each reading.
std::vector<float> image_maxima(const Inputs& in, const std::vector<float>& input_scale) {
  std::vector<float> out;
  for (int64_t i = 0; i < in.channel_max.rows; ++i) {
    float most = 0;
    for (int64_t c = 0; c < in.channel_max.cols; ++c)
      most = std::max(most, in.channel_max.row(i)[c] * (input_scale.empty() ? 1.0f : std::abs(input_scale[static_cast<size_t>(c)])));
    out.push_back(most);
  }
  return out;
}

}  // namespace

Matrix simulate_activations(Context& context, const Inputs& in, const QuantShape& s, ActivationKind kind, float shift,
                            const std::vector<float>& input_scale) {
  const float* scale = input_scale.empty() ? nullptr : input_scale.data();
  Matrix out(in.rows.rows, in.rows.cols);
  if (kind == ActivationKind::Float) {
    each_row(context, out.rows, [&](int64_t r) {
      for (int64_t i = 0; i < out.cols; ++i) out.row(r)[i] = in.rows.row(r)[i] * (scale ? scale[i % s.k] : 1.0f);
    });
    return out;
  }
  const kernels::QuantizeKernel& q = kernels::select_quantize(context.cpu, DType::F32);
  const std::vector<float> maxima = in.one_scale_per_image ? image_maxima(in, input_scale) : std::vector<float>();
  const int64_t padded = s.padded_k(), groups = (padded + kActivationGroup - 1) / kActivationGroup;
  context.threads.run(out.rows, 8, [&](int64_t begin, int64_t end, int) {
    std::vector<int8_t> codes(static_cast<size_t>(padded));
    std::vector<float> scales(static_cast<size_t>(groups));
    std::vector<int32_t> sums(static_cast<size_t>(padded / 32));
    for (int64_t r = begin; r < end; ++r)
      for (int64_t tap = 0; tap < s.taps; ++tap) {
        const float* x = in.rows.row(r) + tap * s.k;
        float* to = out.row(r) + tap * s.k;
        if (kind == ActivationKind::Int4) q.int4_groups(x, 1, s.k, padded, scale, shift, codes.data(), scales.data(), sums.data());
        else if (in.one_scale_per_image) {
          scales[0] = maxima[static_cast<size_t>(in.image[static_cast<size_t>(r)])] / 127.0f;
          q.int8_scaled(x, 1, s.k, padded, scale, scales[0], codes.data(), sums.data());
        } else q.int8_rows(x, 1, s.k, padded, scale, codes.data(), scales.data(), sums.data());
        for (int64_t k = 0; k < s.k; ++k)
          to[k] = static_cast<float>(codes[static_cast<size_t>(k)]) * scales[kind == ActivationKind::Int4 ? static_cast<size_t>(k / kActivationGroup) : 0];
      }
  });
  return out;
}

}  // namespace nibble::quant
