#include "metrics/affine_head.h"

#include "base/error.h"

namespace nibble {
namespace {

constexpr int kLayers[] = {0, 2, 4, 6, 7};

Tensor wanted(const WeightFile& file, const std::string& name, const Shape& shape) {
  const Tensor found = file.get(name);
  if (found.shape() != shape)
    fail(ErrorCode::InvalidArgument, "file {}: tensor {}: want {} found {}; it is another head", file.path().string(),
         name, to_string(shape), to_string(found.shape()));
  return found.to(DType::F32);
}

}  // namespace

double AffineHead::operator()(std::span<const float> vector) const {
  NIBBLE_CHECK(vector.size() == weights.size(), "vector of {} for a head of {}", vector.size(), weights.size());
  double sum = bias;
  for (size_t i = 0; i < weights.size(); ++i) sum += weights[i] * static_cast<double>(vector[i]);
  return sum;
}

AffineHead read_affine_head(const WeightFile& file, const std::string& prefix, int64_t width) {
  // Rows of the map so far: out x width.
  std::vector<std::vector<double>> map;
  std::vector<double> offset;
  int64_t in = width;
  for (const int layer : kLayers) {
    const std::string name = prefix + std::to_string(layer);
    const TensorInfo* info = file.info(name + ".weight");
    const int64_t out = info != nullptr && info->shape.rank() == 2 ? info->shape[0] : 1;
    const Tensor weight = wanted(file, name + ".weight", {out, in}), bias = wanted(file, name + ".bias", {out});
    std::vector<std::vector<double>> next(static_cast<size_t>(out), std::vector<double>(static_cast<size_t>(width)));
    std::vector<double> next_offset(static_cast<size_t>(out));
    for (size_t o = 0; o < next.size(); ++o) {
      const auto row = weight.values<float>().subspan(o * static_cast<size_t>(in), static_cast<size_t>(in));
      next_offset[o] = static_cast<double>(bias.values<float>()[o]);
      for (size_t k = 0; k < row.size(); ++k) {
        const double w = static_cast<double>(row[k]);
        if (map.empty()) {
          next[o][k] = w;
          continue;
        }
        for (size_t i = 0; i < next[o].size(); ++i) next[o][i] += w * map[k][i];
        next_offset[o] += w * offset[k];
      }
    }
    map = std::move(next), offset = std::move(next_offset), in = out;
  }
  if (in != 1)
    fail(ErrorCode::InvalidArgument, "file {}: tensor {}{}.weight: want one output found {}", file.path().string(),
         prefix, kLayers[4], in);
  return {map[0], offset[0]};
}

}  // namespace nibble
