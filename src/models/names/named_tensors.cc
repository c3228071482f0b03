#include "models/names/named_tensors.h"

#include <cstring>

#include "base/error.h"

namespace nibble::models {
namespace {

constexpr std::string_view kCodes = ".codes", kDown = ".down";

Shape changed_shape(const TensorInfo& info, TensorChange change) {
  const Shape& s = info.shape;
  switch (change) {
    case TensorChange::None:
      return s;
    case TensorChange::FirstThird:
    case TensorChange::SecondThird:
    case TensorChange::LastThird: {
      if (s.rank() == 0 || s[0] % 3 != 0)
        fail(ErrorCode::Corrupt, "tensor {}: shape {}: want rows for q, k and v in equal parts", info.name,
             to_string(s));
      Shape third = s;
      third[0] /= 3;
      return third;
    }
    case TensorChange::Matrix:
      return s.rank() > 2 && s.count(2, s.rank()) == 1 ? Shape{s[0], s[1]} : s;
    case TensorChange::Transposed:
      if (s.rank() != 2) fail(ErrorCode::Corrupt, "tensor {}: shape {}: want a matrix", info.name, to_string(s));
      return {s[1], s[0]};
  }
  return s;
}

Tensor transposed(const Tensor& from) {
  const int64_t rows = from.dim(0), columns = from.dim(1);
  const size_t size = bytes_of(from.dtype());
  Tensor to = Tensor::zeros(from.dtype(), {columns, rows});
  const char* in = static_cast<const char*>(from.data());
  char* out = static_cast<char*>(to.mutable_data());
  for (int64_t i = 0; i < columns; ++i)
    for (int64_t j = 0; j < rows; ++j)
      std::memcpy(out + static_cast<size_t>(i * rows + j) * size, in + static_cast<size_t>(j * columns + i) * size,
                  size);
  return to;
}

QuantRecord record_from_json(const Json& json, const std::string& path, const std::string& file) {
  const auto text = [&](const char* key) {
    const auto at = json.is_object() ? json.find(key) : json.end();
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  const auto number = [&](const char* key, double otherwise) {
    const auto at = json.is_object() ? json.find(key) : json.end();
    return at != json.end() && at->is_number() ? at->get<double>() : otherwise;
  };
  const auto weights = weight_kind_from_name(text("weights"));
  const auto activations = activation_kind_from_name(text("activations"));
  if (!weights || !activations)
    fail(ErrorCode::Corrupt, "layer {}: record of {}: want weights int8 or int4 and activations float, int8 or int4, found \"{}\" and \"{}\"",
         path, file, text("weights"), text("activations"));
  const auto whole = [&](const char* key, double otherwise) {
    const double v = number(key, otherwise);
    return v >= 0 && v <= 4096 ? static_cast<int64_t>(v) : int64_t{-1};
  };
  QuantRecord r{*weights, *activations, whole("group", 64), whole("rank", 0), static_cast<float>(number("shift", 0)), false, number("error", 0)};
  const auto smoothed = json.find("smoothed");
  r.smoothed = smoothed != json.end() && smoothed->is_boolean() && smoothed->get<bool>();
  return r;
}

}  // namespace

NamedTensors::NamedTensors(WeightFile file, std::map<std::string, TensorAlias, std::less<>> aliases)
    : file_(std::move(file)), aliases_(std::move(aliases)) {
  const auto text = file_.metadata().find(kLayersKey);
  if (text == file_.metadata().end()) return;
  layers_ = std::make_shared<const Json>(parse_json(text->second, file_.path().string() + " (" + kLayersKey + ")"));
  if (!layers_->is_object()) fail(ErrorCode::Corrupt, "file {}: {}: want a JSON object", file_.path().string(), kLayersKey);
  find_shared_downs();
}

void NamedTensors::find_shared_downs() {
  for (const auto& [name, alias] : aliases_) {
    if (!name.ends_with(kCodes) || !alias.source.ends_with(kCodes)) continue;
    const auto record = layers_->find(alias.source.substr(0, alias.source.size() - kCodes.size()));
    if (record == layers_->end() || !record->is_object()) continue;
    const auto owner = record->find(kDownOfKey);
    if (owner == record->end() || !owner->is_string()) continue;
    const std::string source = owner->get<std::string>() + std::string(kDown);
    if (file_.info(source) != nullptr)
      shared_[name.substr(0, name.size() - kCodes.size()) + std::string(kDown)] = {source};
  }
}

const TensorAlias* NamedTensors::alias_of(std::string_view name) const {
  for (const auto* names : {&aliases_, &shared_})
    if (const auto found = names->find(name); found != names->end()) return &found->second;
  return nullptr;
}

std::optional<QuantRecord> NamedTensors::quantized(const std::string& path) const {
  if (!layers_) return std::nullopt;
  const auto alias = aliases_.find(path + std::string(kCodes));
  if (alias == aliases_.end()) return std::nullopt;
  const std::string& name = alias->second.source;
  const auto found = layers_->find(name.substr(0, name.size() - kCodes.size()));
  if (found == layers_->end())
    fail(ErrorCode::Corrupt, "layer {}: {} holds its codes but {} has no record of it; quantize again", path, file_.path().string(), kLayersKey);
  return record_from_json(*found, path, file_.path().string());
}

Json to_json(const QuantRecord& r) {
  return {{"weights", to_string(r.weights)}, {"activations", to_string(r.activations)}, {"group", r.group}, {"rank", r.rank},
          {"shift", r.shift}, {"smoothed", r.smoothed}, {"error", r.error}};
}

std::vector<NamedTensors::QuantizedLayer> NamedTensors::quantized_layers() const {
  std::vector<QuantizedLayer> out;
  if (!layers_) return out;
  std::map<std::string, size_t> bytes;
  for (const TensorInfo& info : tensors()) bytes[info.name.substr(0, info.name.rfind('.'))] += info.bytes();
  for (const auto& [path, size] : bytes)
    if (const auto record = quantized(path)) out.push_back({path, *record, size});
  return out;
}

std::vector<TensorInfo> NamedTensors::tensors() const {
  std::vector<TensorInfo> out;
  for (const auto& [name, alias] : aliases_) out.push_back(*info(name));
  return out;
}

std::optional<TensorInfo> NamedTensors::info(std::string_view name) const {
  const TensorAlias* alias = alias_of(name);
  if (alias == nullptr) return std::nullopt;
  const TensorInfo* source = file_.info(alias->source);
  NIBBLE_CHECK(source != nullptr, "alias of {}", alias->source);
  return TensorInfo{std::string(name), source->dtype, changed_shape(*source, alias->change)};
}

std::optional<Tensor> NamedTensors::find(std::string_view name) const {
  const std::optional<TensorInfo> wanted = info(name);
  if (!wanted) return std::nullopt;
  const TensorAlias& alias = *alias_of(name);
  const Tensor source = file_.get(alias.source);
  const int64_t rows = wanted->shape.rank() > 0 ? wanted->shape[0] : 0;
  switch (alias.change) {
    case TensorChange::None:
      return source;
    case TensorChange::FirstThird:
      return source.rows(0, rows);
    case TensorChange::SecondThird:
      return source.rows(rows, 2 * rows);
    case TensorChange::LastThird:
      return source.rows(2 * rows, 3 * rows);
    case TensorChange::Matrix:
      return source.reshaped(wanted->shape);
    case TensorChange::Transposed:
      return transposed(source);
  }
  return source;
}

void NamedTensors::drop_pages() const {
  for (const auto& [name, alias] : aliases_) file_.drop_pages(alias.source);
}

size_t NamedTensors::bytes() const {
  size_t sum = 0;
  for (const auto& [name, alias] : aliases_) sum += info(name)->bytes();
  return sum;
}

std::shared_ptr<const WeightSource> weight_source(NamedTensors tensors, std::string label) {
  auto source = std::make_shared<WeightSource>();
  source->label = std::move(label);
  source->quantized = [tensors](const std::string& path) { return tensors.quantized(path); };
  source->find = [tensors = std::move(tensors)](const std::string& name, const Shape&) { return tensors.find(name); };
  return source;
}

}  // namespace nibble::models
