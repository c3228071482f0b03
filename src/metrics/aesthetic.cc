#include "metrics/aesthetic.h"

#include <cmath>

#include "base/error.h"

namespace nibble {

AffineHead read_aesthetic_head(const std::filesystem::path& file) {
  constexpr int64_t kWidth = 768;  // of ViT-L/14's vectors
  return read_affine_head(open_weights(file), "layers.", kWidth);
}

std::vector<double> aesthetic_scores(ClipNetwork& network, const AffineHead& head, std::span<const Image> pictures) {
  if (network.width() != static_cast<int64_t>(head.weights.size()))
    fail(ErrorCode::InvalidArgument, "aesthetic score: want a CLIP with vectors of {} (ViT-L/14) found {}",
         head.weights.size(), network.width());
  return aesthetic_scores(head, network.picture_vectors(pictures, kOpenAiClip));
}

std::vector<double> aesthetic_scores(const AffineHead& head, const Tensor& vectors) {
  const size_t width = static_cast<size_t>(vectors.dim(1));
  std::vector<double> scores;
  for (size_t i = 0; i < static_cast<size_t>(vectors.dim(0)); ++i) {
    const auto row = vectors.values<float>().subspan(i * width, width);
    double squares = 0;
    for (const float v : row) squares += static_cast<double>(v) * static_cast<double>(v);
    const double length = squares == 0 ? 1 : std::sqrt(squares);
    scores.push_back((head(row) - head.bias) / length + head.bias);
  }
  return scores;
}

}  // namespace nibble
