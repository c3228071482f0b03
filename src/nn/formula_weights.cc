#include "nn/formula_weights.h"

#include <cmath>

namespace nibble {
namespace {

uint64_t fnv1a64(std::string_view text) {
  uint64_t value = 0xCBF29CE484222325u;
  for (const char c : text) value = (value ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return value;
}

double uniform(uint64_t seed, uint64_t i) {
  uint64_t z = seed + i * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 40) * 0x1p-24;
}

struct Affine {
  double factor, offset;  // factor * (2 v - 1) + offset
};

Affine rule(std::string_view name, const Shape& shape) {
  if (name.ends_with(".bias")) return {0.2, 0};
  if (shape.rank() < 2) return {0.25, 1};
  if (name.ends_with("token_embedding.weight") || name.ends_with("position_embedding.weight")) return {0.5, 0};
  const double bound = std::sqrt(3.0 / static_cast<double>(shape.count(1, shape.rank())));
  for (const char* sharp : {".to_q.weight", ".to_k.weight", ".q_proj.weight", ".k_proj.weight"})
    if (name.ends_with(sharp)) return {1.5 * bound, 0};
  return {bound, 0};
}

}  // namespace

std::shared_ptr<const WeightSource> formula_weights() {
  return std::make_shared<WeightSource>(WeightSource{"formula", [](const std::string& name, const Shape& shape) {
    Tensor tensor = Tensor::zeros(DType::F32, shape);
    const Affine affine = rule(name, shape);
    const uint64_t seed = fnv1a64(name);
    uint64_t i = 0;
    for (float& value : tensor.mutable_values<float>())
      value = static_cast<float>((2 * uniform(seed, ++i) - 1) * affine.factor + affine.offset);
    return std::optional<Tensor>(tensor);
  }});
}

}  // namespace nibble
