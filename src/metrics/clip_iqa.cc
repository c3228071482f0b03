#include "metrics/clip_iqa.h"

#include <cmath>

#include "base/error.h"

namespace nibble {
namespace {

constexpr ClipIqaPair kPairs[] = {
    {"quality", "Good photo.", "Bad photo."},
    {"brightness", "Bright photo.", "Dark photo."},
    {"noisiness", "Clean photo.", "Noisy photo."},
    {"colorfullness", "Colorful photo.", "Dull photo."},
    {"sharpness", "Sharp photo.", "Blurry photo."},
    {"contrast", "High contrast photo.", "Low contrast photo."},
    {"complexity", "Complex photo.", "Simple photo."},
    {"natural", "Natural photo.", "Synthetic photo."},
    {"happy", "Happy photo.", "Sad photo."},
    {"scary", "Scary photo.", "Peaceful photo."},
    {"new", "New photo.", "Old photo."},
    {"warm", "Warm photo.", "Cold photo."},
    {"real", "Real photo.", "Abstract photo."},
    {"beautiful", "Beautiful photo.", "Ugly photo."},
    {"lonely", "Lonely photo.", "Sociable photo."},
    {"relaxing", "Relaxing photo.", "Stressful photo."},
};

}  // namespace

std::span<const ClipIqaPair> clip_iqa_pairs() { return kPairs; }

const ClipIqaPair& find_clip_iqa_pair(std::string_view name) {
  for (const ClipIqaPair& pair : kPairs)
    if (name == pair.name) return pair;
  std::string known;
  for (const ClipIqaPair& pair : kPairs) known += (known.empty() ? "" : ", ") + std::string(pair.name);
  fail(ErrorCode::InvalidArgument, "CLIP-IQA pair \"{}\": want one of {}", name, known);
}

std::vector<double> clip_iqa(ClipNetwork& network, std::span<const Image> pictures, const ClipIqaPair& pair,
                             const ClipConvention& convention) {
  const std::string prompts[] = {pair.positive, pair.negative};
  const Tensor seen = network.picture_vectors(pictures, convention), said = network.text_vectors(prompts, convention);
  std::vector<double> scores;
  for (int64_t i = 0; i < seen.dim(0); ++i)
    scores.push_back(1 / (1 + std::exp(clip_similarity(seen, i, said, 1) - clip_similarity(seen, i, said, 0))));
  return scores;
}

}  // namespace nibble
