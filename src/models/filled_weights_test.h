// Test support: weights of the metric networks by formula, the twin of tests/golden/metrics/networks.py.
#pragma once

#include <cmath>
#include <memory>
#include <string_view>

#include "nn/scope.h"

namespace nibble {

inline double filled_uniform(uint64_t seed, uint64_t i) {
  uint64_t z = seed + i * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 40) * 0x1p-24;
}

inline Tensor filled_tensor(std::string_view name, const Shape& shape) {
  uint64_t seed = 0xCBF29CE484222325u;
  for (const char c : name) seed = (seed ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  double factor = 0.5, offset = 0.75;  // factor v + offset
  const auto symmetric = [&](double bound) { factor = 2 * bound, offset = -bound; };
  if (name.ends_with("running_mean") || name.ends_with("bn.bias"))
    symmetric(0.1);
  else if (name.ends_with("running_var"))
    factor = 1, offset = 0.5;
  else if (name.ends_with("bn.weight"))
    factor = 0.5, offset = 0.75;
  else if (name.ends_with("bias"))
    symmetric(0.05);
  else if (shape.rank() == 4)
    symmetric(std::sqrt(6.0 / static_cast<double>(shape.count(1, 4))));
  else if (shape.rank() == 2)
    symmetric(std::sqrt(3.0 / static_cast<double>(shape[1])));
  Tensor tensor = Tensor::zeros(DType::F32, shape);
  uint64_t i = 0;
  for (float& value : tensor.mutable_values<float>()) value = static_cast<float>(filled_uniform(seed, ++i) * factor + offset);
  return tensor;
}

inline std::shared_ptr<const WeightSource> filled_weights() {
  return std::make_shared<WeightSource>(WeightSource{
      "filled", [](const std::string& name, const Shape& shape) { return std::optional<Tensor>(filled_tensor(name, shape)); }});
}

}  // namespace nibble
