// For tests: a quantized layer with random contents, and what it computes by the definitions alone: float64 sums over the
// executed weight and the quantized activations, and where the arithmetic is fixed to the last bit, that bit.
#pragma once

#include <cmath>
#include <cstring>
#include <random>

#include "base/error.h"
#include "ops/quantized.h"

namespace nibble::ops {

struct LayerCase {
  QuantShape shape;
  ActivationKind activation = ActivationKind::Int8;
  int64_t rank = 0;
  bool smoothed = false;
  float shift = 0;
  bool bias = true;
  bool conv = false;
  int64_t kernel = 1;
  Conv2dOptions options = {};
  int64_t upsample = 1;

  std::string text() const {
    return format("{} {}x{} -> {}, {} g{} x {}, rank {}{}{}{}", conv ? "conv" : "linear", kernel, kernel, shape.n, to_string(shape.kind),
                  shape.group, to_string(activation), rank, smoothed ? " smoothed" : "", shift > 0 ? " shifted" : "", bias ? " bias" : "");
  }
};

inline Tensor bytes_tensor(DType dtype, const void* data, int64_t count) {
  Tensor t = Tensor::zeros(dtype, {count});
  std::memcpy(t.mutable_data(), data, t.bytes());
  return t;
}

// A layer with random contents. up [n, rank] and down [rank, taps, k] hold bf16 values.
struct RandomLayer {
  LayerCase c;
  QuantWeight weight;
  PackedWeight packed;
  std::vector<float> input_scale, bias, down, up;

  explicit RandomLayer(const LayerCase& lc, uint32_t seed = 3) : c(lc) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> real(-1, 1);
    const QuantShape& s = c.shape;
    const int limit = s.kind == WeightKind::Int4 ? kInt4Max : kInt8Max;
    std::uniform_int_distribution<int> code(-limit, limit), ratio(0, kRatioMax);
    weight.shape = s;
    for (int64_t i = 0; i < s.n * s.taps * s.k; ++i) weight.codes.push_back(static_cast<int8_t>(code(random)));
    for (int64_t i = 0; i < s.n; ++i) weight.scales.push_back(0.002f * (1.5f + real(random)));
    for (int64_t i = 0; i < s.n * s.taps * s.groups(); ++i) weight.ratios.push_back(static_cast<int16_t>(ratio(random)));
    for (int64_t i = 0; c.smoothed && i < s.k; ++i) input_scale.push_back(std::exp(real(random)));
    for (int64_t i = 0; c.bias && i < s.n; ++i) bias.push_back(real(random));
    for (int64_t i = 0; i < c.rank * s.taps * s.k; ++i) down.push_back(to_float(to_bf16(0.1f * real(random))));
    for (int64_t i = 0; i < s.n * c.rank; ++i) up.push_back(to_float(to_bf16(0.3f * real(random))));
    packed = pack(weight);
  }

  Value record(Value x) const {
    Graph& g = x.graph();
    const QuantShape& s = c.shape;
    QuantizedWeight w;
    w.shape = s;
    w.kernel_h = w.kernel_w = c.kernel;
    w.activation = c.activation, w.shift = c.shift, w.rank = c.rank;
    w.codes = g.constant(bytes_tensor(DType::U8, packed.codes.data(), static_cast<int64_t>(s.code_bytes())));
    w.scales = g.constant(Tensor::from(packed.scales, {s.scale_count()}));
    if (s.kind == WeightKind::Int4) w.ratios = g.constant(bytes_tensor(DType::I16, packed.ratios.data(), s.ratio_count()));
    if (c.smoothed) w.input_scale = g.constant(Tensor::from(input_scale, {s.k}));
    if (c.bias) w.bias = g.constant(Tensor::from(bias, {s.n}));
    if (c.rank > 0) w.down = g.constant(down_tensor()), w.up = g.constant(up_tensor());
    return c.conv ? quantized_conv2d(x, w, c.options) : quantized_linear(x, w);
  }

  Tensor down_tensor() const {  // [rank, k, kernel, kernel]
    const QuantShape& s = c.shape;
    Tensor t = Tensor::zeros(DType::BF16, {c.rank, s.k, c.kernel, c.kernel});
    BFloat16* to = t.mutable_values<BFloat16>().data();
    for (int64_t r = 0; r < c.rank; ++r)
      for (int64_t k = 0; k < s.k; ++k)
        for (int64_t tap = 0; tap < s.taps; ++tap) *to++ = to_bf16(down[static_cast<size_t>((r * s.taps + tap) * s.k + k)]);
    return t;
  }

  Tensor up_tensor() const {  // [panels, rank, 16]
    Tensor t = Tensor::zeros(DType::BF16, {c.shape.panels(), c.rank, kPanelChannels});
    const auto to = t.mutable_values<BFloat16>();
    for (int64_t n = 0; n < c.shape.n; ++n)
      for (int64_t r = 0; r < c.rank; ++r)
        to[static_cast<size_t>((n / kPanelChannels * c.rank + r) * kPanelChannels + n % kPanelChannels)] = to_bf16(up[static_cast<size_t>(n * c.rank + r)]);
    return t;
  }
};

// What a float layer reads (codes are then unused), or codes and the scale of each 64 channels.
struct QuantizedRow {
  std::vector<int> codes;
  std::vector<float> scales;
};

inline std::vector<float> smoothed(const RandomLayer& l, const float* x) {
  std::vector<float> v(x, x + l.c.shape.k);
  for (size_t i = 0; i < v.size(); ++i) {
    if (l.c.shift > 0) v[i] = v[i] + l.c.shift;
    if (l.c.smoothed) v[i] = v[i] * l.input_scale[i];
    if (l.c.shift > 0) v[i] = std::max(v[i], 0.0f);
  }
  return v;
}

inline float largest(const float* v, size_t count) {
  float most = 0;
  for (size_t i = 0; i < count; ++i) most = std::max(most, std::abs(v[i]));
  return most;
}

inline int code_of(float v, float scale, float low, float high) {
  return static_cast<int>(std::clamp(std::nearbyint(v * (scale > 0 ? 1 / scale : 0.0f)), low, high));
}

// One row by kernels/quantize's definition; image_scale < 0: the row's own.
inline QuantizedRow quantized_row(const RandomLayer& l, const float* x, float image_scale) {
  const std::vector<float> v = smoothed(l, x);
  QuantizedRow row;
  const bool int4 = l.c.activation == ActivationKind::Int4;
  const float low = !int4 ? -127.0f : l.c.shift > 0 ? 0.0f : -7.0f, high = !int4 ? 127.0f : l.c.shift > 0 ? 15.0f : 7.0f;
  const size_t step = int4 ? 64 : v.size();
  for (size_t i = 0; i < v.size(); i += step) {
    const size_t count = std::min(step, v.size() - i);
    const float scale = image_scale >= 0 ? image_scale : largest(&v[i], count) / high;
    row.scales.push_back(scale);
    for (size_t j = i; j < i + count; ++j) row.codes.push_back(code_of(v[j], scale, low, high));
  }
  return row;
}

// Everything the layer does to one input.
class LayerOracle {
 public:
  LayerOracle(const RandomLayer& layer, const std::vector<float>& x, const Shape& shape) : l_(layer), x_(x), in_(shape) {
    const LayerCase& c = l_.c;
    executed_ = executed_weight(l_.weight, c.activation == ActivationKind::Int8 ? Executed::Panel : Executed::Exact);
    images_ = c.conv ? in_[0] : 1;
    height_ = c.conv ? in_[1] : 1;
    width_ = c.conv ? in_[2] : static_cast<int64_t>(x.size()) / c.shape.k;
    out_height_ = c.conv ? (height_ * c.upsample + c.options.pad_top + c.options.pad_bottom - c.kernel) / c.options.stride + 1 : 1;
    out_width_ = c.conv ? (width_ * c.upsample + c.options.pad_left + c.options.pad_right - c.kernel) / c.options.stride + 1 : width_;
    zeros_.assign(static_cast<size_t>(c.shape.k), 0.0f);
    for (int64_t m = 0; m < rows(); ++m)
      for (int64_t r = 0; r < c.rank; ++r) add_branch(m, r);
    if (c.activation == ActivationKind::Float) return;
    for (int64_t image = 0; image < images_; ++image) quantize_image(image);
    pad_ = quantized_row(l_, zeros_.data(), -1);
  }

  int64_t rows() const { return images_ * out_height_ * out_width_; }

  // The value in float64 and the sum of the terms' magnitudes.
  std::pair<double, double> value(int64_t m, int64_t n) const {
    const QuantShape& s = l_.c.shape;
    double sum = 0, size = 0;
    const auto add = [&](double term) { sum += term, size += std::abs(term); };
    for (int64_t tap = 0; tap < s.taps; ++tap) {
      const int64_t row = source(m, tap);
      const float* w = &executed_[static_cast<size_t>((n * s.taps + tap) * s.k)];
      for (int64_t k = 0; k < s.k; ++k) add(static_cast<double>(w[k]) * activation(row, k));
    }
    for (int64_t r = 0; r < l_.c.rank; ++r) {
      const double up = static_cast<double>(l_.up[static_cast<size_t>(n * l_.c.rank + r)]);
      const auto [h, h_size] = h_[static_cast<size_t>(m * l_.c.rank + r)];
      sum += up * h, size += std::abs(up) * h_size;
    }
    if (l_.c.bias) add(static_cast<double>(l_.bias[static_cast<size_t>(n)]));
    return {sum, size};
  }

  double branch_size(int64_t m, int64_t n) const {
    double size = 0;
    for (int64_t r = 0; r < l_.c.rank; ++r)
      size += std::abs(static_cast<double>(l_.up[static_cast<size_t>(n * l_.c.rank + r)]) * h_[static_cast<size_t>(m * l_.c.rank + r)].first);
    return size;
  }

  // The value to the last bit: integer sums, then the header's order of float32 operations. No branch.
  float bits(int64_t m, int64_t n) const {
    const QuantShape& s = l_.c.shape;
    const float w_scale = l_.weight.scales[static_cast<size_t>(n)];
    float x = 0;
    if (l_.c.activation == ActivationKind::Int8) {
      int64_t sum = 0;
      float scale = 0;
      for (int64_t tap = 0; tap < s.taps; ++tap) {
        const int64_t at = source(m, tap);
        for (int64_t k = 0; at >= 0 && k < s.k; ++k) sum += rows_[static_cast<size_t>(at)].codes[static_cast<size_t>(k)] * byte_code(n, tap, k);
      }
      scale = rows_[static_cast<size_t>(l_.c.conv ? m / (out_height_ * out_width_) * height_ * width_ : m)].scales[0];
      x = std::fma(static_cast<float>(sum), scale * w_scale, 0.0f);
    } else {
      x = std::fma(grouped_sum(m, n), w_scale, 0.0f);
    }
    return l_.c.bias ? x + l_.bias[static_cast<size_t>(n)] : x;
  }

  double tolerance(double size) const {
    const double terms = static_cast<double>(l_.c.shape.taps * l_.c.shape.k + l_.c.rank);
    return 2 * 0x1p-23 * std::sqrt(terms) * size;
  }

 private:
  // h[m, r] = down · raw input, and the sum of its terms' magnitudes.
  void add_branch(int64_t m, int64_t r) {
    const QuantShape& s = l_.c.shape;
    double h = 0, size = 0;
    for (int64_t tap = 0; tap < s.taps; ++tap) {
      const float *d = &l_.down[static_cast<size_t>((r * s.taps + tap) * s.k)], *x = raw(source(m, tap));
      for (int64_t k = 0; k < s.k; ++k) {
        const double term = static_cast<double>(d[k]) * static_cast<double>(x[k]);
        h += term, size += std::abs(term);
      }
    }
    h_.emplace_back(h, size);
  }

  void quantize_image(int64_t image) {
    const int64_t pixels = height_ * width_, k = l_.c.shape.k;
    float scale = -1;
    if (l_.c.conv && l_.c.activation == ActivationKind::Int8) {
      float most = 0;
      for (int64_t i = 0; i < pixels; ++i) most = std::max(most, largest(smoothed(l_, raw(image * pixels + i)).data(), static_cast<size_t>(k)));
      scale = most / 127;
    }
    for (int64_t i = 0; i < pixels; ++i) rows_.push_back(quantized_row(l_, raw(image * pixels + i), scale));
  }

  // Input row that an output row reads through a tap, -1 outside.
  int64_t source(int64_t m, int64_t tap) const {
    const LayerCase& c = l_.c;
    if (!c.conv) return m;
    const int64_t x = m % out_width_ * c.options.stride + tap % c.kernel - c.options.pad_left;
    const int64_t y = m / out_width_ % out_height_ * c.options.stride + tap / c.kernel - c.options.pad_top;
    if (x < 0 || y < 0 || x >= width_ * c.upsample || y >= height_ * c.upsample) return -1;
    return (m / (out_width_ * out_height_) * height_ + y / c.upsample) * width_ + x / c.upsample;
  }

  const float* raw(int64_t row) const { return row < 0 ? zeros_.data() : &x_[static_cast<size_t>(row * l_.c.shape.k)]; }

  double activation(int64_t row, int64_t k) const {
    if (l_.c.activation == ActivationKind::Float) {
      const double x = static_cast<double>(raw(row)[k]);
      return l_.c.smoothed ? x * static_cast<double>(l_.input_scale[static_cast<size_t>(k)]) : x;
    }
    if (row < 0 && l_.c.activation == ActivationKind::Int8) return 0;
    const QuantizedRow& r = row < 0 ? pad_ : rows_[static_cast<size_t>(row)];
    const size_t group = l_.c.activation == ActivationKind::Int4 ? static_cast<size_t>(k / kActivationGroup) : 0;
    return r.codes[static_cast<size_t>(k)] * static_cast<double>(r.scales[group]);
  }

  int ratio(int64_t n, int64_t tap, int64_t k) const {
    const QuantShape& s = l_.c.shape;
    return l_.weight.ratios[static_cast<size_t>((n * s.taps + tap) * s.groups() + k / s.group)];
  }
  int code(int64_t n, int64_t tap, int64_t k) const {
    return l_.weight.codes[static_cast<size_t>((n * l_.c.shape.taps + tap) * l_.c.shape.k + k)];
  }
  int byte_code(int64_t n, int64_t tap, int64_t k) const {
    return l_.c.shape.kind == WeightKind::Int8 ? code(n, tap, k) : panel_code(code(n, tap, k), ratio(n, tap, k));
  }

  float grouped_sum(int64_t m, int64_t n) const {
    const QuantShape& s = l_.c.shape;
    const int64_t step = std::min<int64_t>(s.group, kActivationGroup);
    float sum = 0;
    for (int64_t tap = 0; tap < s.taps; ++tap) {
      const int64_t at = source(m, tap);
      const QuantizedRow& row = at < 0 ? pad_ : rows_[static_cast<size_t>(at)];
      for (int64_t k = 0; k < s.k; k += step) {
        int dot = 0;
        for (int64_t i = k; i < std::min(k + step, s.k); ++i) dot += row.codes[static_cast<size_t>(i)] * code(n, tap, i);
        const float scale = row.scales[static_cast<size_t>(k / kActivationGroup)] * (static_cast<float>(ratio(n, tap, k)) / kRatioOne);
        sum = std::fma(static_cast<float>(dot), scale, sum);
      }
    }
    return sum;
  }

  const RandomLayer& l_;
  const std::vector<float>& x_;
  Shape in_;
  int64_t images_, height_, width_, out_height_, out_width_;
  std::vector<float> executed_, zeros_;
  std::vector<QuantizedRow> rows_;
  std::vector<std::pair<double, double>> h_;
  QuantizedRow pad_;
};

}  // namespace nibble::ops
