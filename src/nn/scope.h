// A cursor in the tree of parameter names. A layer's constructor asks its scope for each parameter once, with name and
// shape: that one line binds the tensor, checks the shape, registers the parameter and makes the error message.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "tensor/quant_format.h"

namespace nibble {

// How the file holds a quantized layer.
struct QuantRecord {
  WeightKind weights = WeightKind::Int8;
  ActivationKind activations = ActivationKind::Int8;
  int64_t group = 64, rank = 0;
  float shift = 0;        // added to the input before it is rounded to unsigned int4
  bool smoothed = false;  // has an input scale
  double error = 0;       // relative output error on calibration inputs
};

// Where parameters come from: a file, a mapping of foreign names, a formula.
struct WeightSource {
  std::string label;  // for messages: "unet/diffusion_pytorch_model.safetensors"
  // The tensor of this name, or nothing. `wanted` is what the layer asks for; sources that make tensors use it.
  std::function<std::optional<Tensor>(const std::string& name, const Shape& wanted)> find;
  // The record of the layer at this path, or nothing where its weight is a plain tensor. May be empty: nothing is quantized.
  std::function<std::optional<QuantRecord>(const std::string& path)> quantized;
};

struct Parameter {
  std::string name;  // the checkpoint's own
  Tensor tensor;

  explicit operator bool() const { return !tensor.empty(); }
  Value in(Graph& graph) const { return graph.constant(tensor, name); }
};

// Every parameter that a model bound, in construction order.
struct ParameterList {
  std::vector<Parameter> parameters;
  int64_t count() const;
  size_t bytes() const;
};

class Scope {
 public:
  // The list must outlive the scope; it may be null.
  Scope(std::shared_ptr<const WeightSource> source, ParameterList* list, std::string path = {});

  Scope operator/(std::string_view name) const;
  Scope operator/(int64_t index) const;
  const std::string& path() const { return path_; }

  // Binds `path.name`. Matrices keep the storage type of the file; `vector` parameters (bias, norm weights) become float32.
  // A 1x1 convolution weight is accepted where a matrix of the same count is wanted and the reverse.
  // Throws Error{NotFound} or Error{InvalidArgument} naming tensor, want, find and file.
  Parameter matrix(std::string_view name, const Shape& shape) const;
  Parameter vector(std::string_view name, int64_t size) const;
  Parameter optional_vector(std::string_view name, int64_t size) const;

  // Binds a tensor of exactly this type and shape, as quantized layers store them. Throws Error{NotFound, Corrupt}.
  Parameter exact(std::string_view name, DType dtype, const Shape& shape) const;
  // The record of a quantized layer at this path.
  std::optional<QuantRecord> quantized() const;

  // Whether the source has `path.name`; a source that makes tensors on demand has everything, see `wanted`.
  bool has(std::string_view name, const Shape& wanted = {}) const;

 private:
  std::string full(std::string_view name) const;
  std::optional<Parameter> bind(std::string_view name, const Shape& shape) const;

  std::shared_ptr<const WeightSource> source_;
  ParameterList* list_;
  std::string path_;
};

}  // namespace nibble
