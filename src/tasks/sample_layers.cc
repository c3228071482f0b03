#include "tasks/sample_layers.h"

namespace nibble {

SampleLayers::SampleLayers(const QuantShape& shape, int64_t kernel, ActivationKind activation, int64_t rank, int count)
    : shape_(shape), kernel_(kernel), rank_(rank), activation_(activation) {
  QuantWeight weight{shape, {}, std::vector<float>(static_cast<size_t>(shape.n), 1e-3f), {}};
  for (int64_t i = 0; i < shape.n * shape.taps * shape.k; ++i) weight.codes.push_back(static_cast<int8_t>(i % 13 - 6));
  weight.ratios.assign(static_cast<size_t>(shape.n * shape.taps * shape.groups()), 1000);
  weights_.assign(static_cast<size_t>(count), pack(weight));
  for (int i = 0; i < count && rank > 0; ++i) {
    downs_.push_back(Tensor::zeros(DType::BF16, {rank, shape.k, kernel, kernel}));
    ups_.push_back(Tensor::zeros(DType::BF16, {shape.panels(), rank, kPanelChannels}));
    smoothings_.push_back(Tensor::from(std::vector<float>(static_cast<size_t>(shape.k), 0.75f), {shape.k}));
  }
}

Value SampleLayers::operator()(Value x) const {
  for (size_t i = 0; i < weights_.size(); ++i) {
    const PackedWeight& w = weights_[i];
    const auto constant = [&x](DType dtype, const void* data, int64_t count) {
      return x.graph().constant(Tensor::view(dtype, {count}, data, nullptr));
    };
    ops::QuantizedWeight q{shape_, kernel_, kernel_, activation_, 0, rank_};
    q.codes = constant(DType::U8, w.codes.data(), static_cast<int64_t>(w.codes.size()));
    q.scales = constant(DType::F32, w.scales.data(), static_cast<int64_t>(w.scales.size()));
    if (shape_.kind == WeightKind::Int4)
      q.ratios = constant(DType::I16, w.ratios.data(), static_cast<int64_t>(w.ratios.size()));
    if (rank_ > 0) q.down = x.graph().constant(downs_[i]), q.up = x.graph().constant(ups_[i]);
    if (rank_ > 0) q.input_scale = x.graph().constant(smoothings_[i]);
    const int64_t pad = kernel_ / 2;
    x = kernel_ == 1 ? ops::quantized_linear(x, q) : ops::quantized_conv2d(x, q, {1, pad, pad, pad, pad});
  }
  return x;
}

}  // namespace nibble
