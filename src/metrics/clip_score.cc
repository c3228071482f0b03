#include "metrics/clip_score.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace nibble {

std::vector<double> clip_scores(ClipNetwork& network, std::span<const Image> pictures,
                                std::span<const std::string> prompts, const ClipConvention& convention) {
  if (pictures.size() != prompts.size())
    fail(ErrorCode::InvalidArgument, "CLIP score: want a prompt for each picture, found {} pictures and {} prompts",
         pictures.size(), prompts.size());
  const Tensor seen = network.picture_vectors(pictures, convention), said = network.text_vectors(prompts, convention);
  std::vector<double> scores;
  for (int64_t i = 0; i < seen.dim(0); ++i) scores.push_back(clip_similarity(seen, i, said, i));
  return scores;
}

double clip_score(std::span<const double> scores) {
  if (scores.empty()) return std::numeric_limits<double>::quiet_NaN();
  return std::max(0.0, std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size()));
}

}  // namespace nibble
