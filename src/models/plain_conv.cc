#include "models/plain_conv.h"

#include <cmath>

#include "ops/basic.h"

namespace nibble::models {

Value PlainConv::operator()(Value x) const {
  Graph& g = x.graph();
  const ops::Conv2dOptions options{window.stride, window.pad_y, window.pad_x, window.pad_y, window.pad_x};
  return g.label(ops::relu(ops::conv2d(x, weight.in(g), bias.in(g), options)), path);
}

PlainConv bind_conv(const Scope& scope, int64_t in, int64_t out, const Window& window) {
  return {scope.path(), scope.matrix("weight", {out, in, window.height, window.width}), scope.vector("bias", out), window};
}

PlainConv bind_conv_batch_norm(const Scope& scope, int64_t in, int64_t out, const Window& window, double eps) {
  const Scope norm = scope / "bn";
  Parameter weight = (scope / "conv").matrix("weight", {out, in, window.height, window.width});
  const Parameter gamma = norm.vector("weight", out), beta = norm.vector("bias", out);
  const Parameter mean = norm.vector("running_mean", out), variance = norm.vector("running_var", out);
  weight.tensor = weight.tensor.to(DType::F32).clone();
  Parameter bias{scope.path() + ".bias", Tensor::zeros(DType::F32, {out})};
  const std::span<float> w = weight.tensor.mutable_values<float>(), b = bias.tensor.mutable_values<float>();
  const size_t row = w.size() / b.size();
  for (size_t c = 0; c < b.size(); ++c) {
    const auto at = [c](const Parameter& p) { return static_cast<double>(p.tensor.values<float>()[c]); };
    const double factor = at(gamma) / std::sqrt(at(variance) + eps);
    b[c] = static_cast<float>(at(beta) - at(mean) * factor);
    for (float& value : w.subspan(c * row, row)) value = static_cast<float>(static_cast<double>(value) * factor);
  }
  return {scope.path(), std::move(weight), std::move(bias), window};
}

}  // namespace nibble::models
