// Source positions of an output index along one axis, in float32 as torch computes them. Internal linkage: files of
// several instruction sets include this.
#pragma once

#include <cstdint>

namespace nibble::kernels {
namespace {

[[maybe_unused]] int64_t nearest_source(int64_t index, int64_t in, int64_t out) {
  if (in == out) return index;
  const float ratio = static_cast<float>(in) / static_cast<float>(out);
  const int64_t source = static_cast<int64_t>(static_cast<float>(index) * ratio);
  return source < in ? source : in - 1;
}

// value = (1 - weight) * x[first] + weight * x[second]
struct LinearSource {
  int64_t first, second;
  float weight;
};

[[maybe_unused]] LinearSource linear_source(int64_t index, int64_t in, int64_t out) {
  if (in == out) return {index, index, 0.0f};
  const float ratio = static_cast<float>(in) / static_cast<float>(out);
  const float centre = (static_cast<float>(index) + 0.5f) * ratio - 0.5f;
  const float position = centre < 0.0f ? 0.0f : centre;
  const int64_t whole = static_cast<int64_t>(position);
  const int64_t first = whole < in ? whole : in - 1;
  const float rest = position - static_cast<float>(first);
  return {first, first + 1 < in ? first + 1 : first, rest < 1.0f ? rest : 1.0f};
}

}  // namespace
}  // namespace nibble::kernels
