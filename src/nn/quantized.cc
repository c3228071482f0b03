#include "nn/quantized.h"

#include <cmath>

#include "base/error.h"

namespace nibble::nn {
namespace {

void check_values(const Parameter& p, const std::string& path, double low, double high) {
  for (int64_t i = 0; i < p.tensor.count(); ++i) {
    const double v = p.tensor.dtype() == DType::I16 ? static_cast<const int16_t*>(p.tensor.data())[i] : element(p.tensor, i);
    if (!(v >= low && v <= high))
      fail(ErrorCode::Corrupt, "layer {}: {} holds {} at {}; want {} to {}; the file is damaged, quantize again", path, p.name, v, i, low, high);
  }
}

void check_record(const QuantRecord& r, const std::string& path) {
  const bool group = r.group == 32 || r.group == 64 || r.group == 128;
  if (!group || r.rank < 0 || r.rank > 256 || !(r.shift >= 0 && r.shift < 16))
    fail(ErrorCode::Corrupt, "layer {}: group {}, rank {}, shift {}; want group 32, 64 or 128, rank 0 to 256, shift 0 to 16", path, r.group,
         r.rank, r.shift);
  if (r.activations == ActivationKind::Int4 && r.weights != WeightKind::Int4)
    fail(ErrorCode::Unsupported, "layer {}: int4 activations want int4 weights, found {}", path, to_string(r.weights));
  if (r.shift > 0 && r.activations != ActivationKind::Int4)
    fail(ErrorCode::Unsupported, "layer {}: shift {} wants int4 activations, found {}", path, r.shift, to_string(r.activations));
}

}  // namespace

std::optional<QuantizedLayer> QuantizedLayer::bind(const Scope& s, int64_t n, int64_t k, int64_t kernel_h, int64_t kernel_w) {
  const std::optional<QuantRecord> record = s.quantized();
  if (!record) return std::nullopt;
  check_record(*record, s.path());
  QuantizedLayer layer;
  layer.record_ = *record;
  layer.shape_ = {n, kernel_h * kernel_w, k, record->weights, record->group};
  layer.kernel_h_ = kernel_h, layer.kernel_w_ = kernel_w;
  const QuantShape& shape = layer.shape_;
  layer.codes_ = s.exact("codes", DType::U8, {static_cast<int64_t>(shape.code_bytes())});
  layer.scales_ = s.vector("scales", shape.scale_count());
  check_values(layer.scales_, s.path(), -1e30, 1e30);
  if (shape.kind == WeightKind::Int4) {
    layer.ratios_ = s.exact("ratios", DType::I16, {shape.ratio_count()});
    check_values(layer.ratios_, s.path(), 0, kRatioMax);
  }
  if (record->smoothed) {
    layer.input_scale_ = s.exact("input_scale", DType::F32, {k});
    check_values(layer.input_scale_, s.path(), -1e30, 1e30);
  }
  if (record->rank > 0) {
    layer.down_ = s.exact("down", DType::BF16, {record->rank, k, kernel_h, kernel_w});
    layer.up_ = s.exact("up", DType::BF16, {shape.panels(), record->rank, kPanelChannels});
  }
  return layer;
}

ops::QuantizedWeight QuantizedLayer::in(Graph& g, Value bias) const {
  const auto value = [&g](const Parameter& p) { return p ? p.in(g) : Value(); };
  return {shape_,        kernel_h_,       kernel_w_,            record_.activations, record_.shift, record_.rank, value(codes_),
          value(scales_), value(ratios_), value(input_scale_), value(down_),        value(up_),    bias};
}

Value QuantizedLayer::linear(Value x, Value bias) const { return ops::quantized_linear(x, in(x.graph(), bias)); }
Value QuantizedLayer::conv2d(Value x, Value bias, const ops::Conv2dOptions& options) const {
  return ops::quantized_conv2d(x, in(x.graph(), bias), options);
}

}  // namespace nibble::nn
