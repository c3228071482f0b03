#include "nn/layers.h"

#include "base/check.h"
#include "ops/basic.h"
#include "ops/linear.h"
#include "ops/norm.h"

namespace nibble::nn {
namespace {

Value optional(const Parameter& parameter, Graph& graph) { return parameter ? parameter.in(graph) : Value(); }

}  // namespace

Activation activation_from_name(const std::string& name, const std::string& where) {
  struct Row {
    const char* name;
    Activation activation;
  };
  constexpr Row kRows[] = {{"silu", Activation::Silu},          {"swish", Activation::Silu},
                           {"gelu", Activation::Gelu},          {"gelu_new", Activation::GeluTanh},
                           {"quick_gelu", Activation::QuickGelu}, {"gelu_pytorch_tanh", Activation::GeluTanh},
                           {"relu", Activation::Relu}};
  for (const Row& row : kRows)
    if (name == row.name) return row.activation;
  fail(ErrorCode::Unsupported, "{}: activation '{}' is unknown; want silu, gelu, gelu_new, quick_gelu or relu", where, name);
}

Value activate(Value x, Activation activation) {
  switch (activation) {
    case Activation::Silu: return ops::silu(x);
    case Activation::Gelu: return ops::gelu(x);
    case Activation::GeluTanh: return ops::gelu_tanh(x);
    case Activation::QuickGelu: return ops::quick_gelu(x);
    case Activation::Relu: return ops::relu(x);
  }
  NIBBLE_CHECK(false, "activation");
}

Linear::Linear(const Scope& s, int64_t in, int64_t out, bool bias)
    : path_(s.path()),
      quantized_(QuantizedLayer::bind(s, out, in, 1, 1)),
      weight_(quantized_ ? Parameter{} : s.matrix("weight", {out, in})),
      bias_(bias ? s.vector("bias", out) : quantized_ ? s.optional_vector("bias", out) : Parameter{}) {}

Value Linear::operator()(Value x) const {
  Graph& g = x.graph();
  const Value bias = optional(bias_, g);
  return g.label(quantized_ ? quantized_->linear(x, bias) : ops::linear(x, weight_.in(g), bias), path_);
}

Conv2d::Conv2d(const Scope& s, int64_t in, int64_t out, int64_t kernel, int64_t stride, bool bias, bool bottom_right)
    : path_(s.path()),
      quantized_(QuantizedLayer::bind(s, out, in, kernel, kernel)),
      weight_(quantized_ ? Parameter{} : s.matrix("weight", {out, in, kernel, kernel})),
      bias_(bias ? s.vector("bias", out) : quantized_ ? s.optional_vector("bias", out) : Parameter{}),
      kernel_(kernel),
      stride_(stride),
      bottom_right_(bottom_right) {}

Value Conv2d::operator()(Value x) const {
  Graph& g = x.graph();
  const int64_t pad = (kernel_ - 1) / 2;
  const ops::Conv2dOptions options = bottom_right_ ? ops::Conv2dOptions{stride_, 0, 0, 1, 1}
                                                   : ops::Conv2dOptions{stride_, pad, pad, pad, pad};
  const Value bias = optional(bias_, g);
  return g.label(quantized_ ? quantized_->conv2d(x, bias, options) : ops::conv2d(x, weight_.in(g), bias, options), path_);
}

GroupNorm::GroupNorm(const Scope& s, int64_t channels, int64_t groups, float eps)
    : path_(s.path()), weight_(s.vector("weight", channels)), bias_(s.vector("bias", channels)), groups_(groups), eps_(eps) {}

Value GroupNorm::operator()(Value x) const {
  Graph& g = x.graph();
  return g.label(ops::group_norm(x, weight_.in(g), bias_.in(g), groups_, eps_), path_);
}

LayerNorm::LayerNorm(const Scope& s, int64_t width, float eps)
    : path_(s.path()), weight_(s.vector("weight", width)), bias_(s.vector("bias", width)), eps_(eps) {}

Value LayerNorm::operator()(Value x) const {
  Graph& g = x.graph();
  return g.label(ops::layer_norm(x, weight_.in(g), bias_.in(g), eps_), path_);
}

Embedding::Embedding(const Scope& s, int64_t entries, int64_t width) : weight_(s.matrix("weight", {entries, width})) {}

Value Embedding::operator()(Value ids, DType dtype) const {
  return ops::embedding(weight_.in(ids.graph()), ids, dtype);
}

}  // namespace nibble::nn
