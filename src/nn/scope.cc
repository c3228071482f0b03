#include "nn/scope.h"

#include "base/check.h"

namespace nibble {

int64_t ParameterList::count() const {
  int64_t n = 0;
  for (const Parameter& p : parameters) n += p.tensor.count();
  return n;
}

size_t ParameterList::bytes() const {
  size_t n = 0;
  for (const Parameter& p : parameters) n += p.tensor.bytes();
  return n;
}

Scope::Scope(std::shared_ptr<const WeightSource> source, ParameterList* list, std::string path)
    : source_(std::move(source)), list_(list), path_(std::move(path)) {}

std::string Scope::full(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

Scope Scope::operator/(std::string_view name) const { return {source_, list_, full(name)}; }
Scope Scope::operator/(int64_t index) const { return *this / std::to_string(index); }

bool Scope::has(std::string_view name, const Shape& wanted) const {
  return source_->find(full(name), wanted).has_value();
}

std::optional<Parameter> Scope::bind(std::string_view name, const Shape& shape) const {
  const std::string path = full(name);
  std::optional<Tensor> found = source_->find(path, shape);
  if (!found) return std::nullopt;
  const bool pointwise = found->count() == shape.count() && shape.rank() >= 2 && found->shape().rank() >= 2 &&
                         found->dim(0) == shape[0] && found->dim(1) == shape[1];
  if (!(found->shape() == shape) && !pointwise)
    fail(ErrorCode::InvalidArgument, "tensor {}: want {} found {} in {}; the config and the weights are of different models", path,
         to_string(shape), to_string(found->shape()), source_->label);
  if (!traits(found->dtype()).floating || found->dtype() == DType::F64)
    fail(ErrorCode::Unsupported, "tensor {}: want f32, f16 or bf16 found {} in {}; convert the file first", path,
         to_string(found->dtype()), source_->label);
  return Parameter{path, found->reshaped(shape)};
}

Parameter Scope::matrix(std::string_view name, const Shape& shape) const {
  std::optional<Parameter> bound = bind(name, shape);
  if (!bound)
    fail(ErrorCode::NotFound, "tensor {}: missing from {}, want {}; is the download complete and the family right?", full(name),
         source_->label, to_string(shape));
  if (list_) list_->parameters.push_back(*bound);
  return *bound;
}

Parameter Scope::exact(std::string_view name, DType dtype, const Shape& shape) const {
  const std::string path = full(name);
  const std::optional<Tensor> found = source_->find(path, shape);
  if (!found)
    fail(ErrorCode::NotFound, "tensor {}: missing from {}, want {} {}; the file is damaged, quantize again", path, source_->label,
         to_string(dtype), to_string(shape));
  if (found->dtype() != dtype || !(found->shape() == shape))
    fail(ErrorCode::Corrupt, "tensor {}: want {} {} found {} {} in {}; the file is damaged, quantize again", path, to_string(dtype),
         to_string(shape), to_string(found->dtype()), to_string(found->shape()), source_->label);
  if (list_) list_->parameters.push_back({path, *found});
  return {path, *found};
}

std::optional<QuantRecord> Scope::quantized() const {
  return source_->quantized ? source_->quantized(path_) : std::nullopt;
}

Parameter Scope::vector(std::string_view name, int64_t size) const {
  Parameter p = matrix(name, {size});
  p.tensor = p.tensor.to(DType::F32);
  return p;
}

Parameter Scope::optional_vector(std::string_view name, int64_t size) const {
  return has(name, {size}) ? vector(name, size) : Parameter{};
}

}  // namespace nibble
