// ImageReward (Xu et al. 2023): how much people would prefer a picture for a prompt, about normal with mean 0 and
// deviation 1 over the pairs that it was trained on.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/plan.h"
#include "image/image.h"
#include "metrics/affine_head.h"
#include "models/blip/blip.h"
#include "text/bert_tokenizer.h"

namespace nibble {

class ImageReward {
 public:
  static constexpr int64_t kTokens = 35;  // [CLS], at most 33 pieces of the prompt, [SEP]; further ones are cut

  // ImageReward.pt and bert-base-uncased's vocabulary. The context must outlive it. Throws what reading them throws,
  // and Error{InvalidArgument} where the two do not fit.
  ImageReward(Context& context, const std::filesystem::path& weights, const std::filesystem::path& vocabulary);

  // One reward a pair, whatever its neighbours. Pictures of any size, 1, 3 or 4 channels. Reports progress as "image
  // reward"; cancellable. Throws Error{InvalidArgument} where the numbers of pictures and prompts differ.
  std::vector<double> rewards(std::span<const Image> pictures, std::span<const std::string> prompts);

 private:
  struct Recorded {
    Graph graph;
    std::unique_ptr<Plan> plan;
  };
  ImageReward(Context& context, const WeightFile& file, const std::filesystem::path& vocabulary);
  Recorded& recorded(int64_t batch);

  Context& context_;
  models::BlipConfig config_;
  BertTokenizer tokenizer_;
  models::BlipVision vision_;
  models::BlipText text_;
  AffineHead head_;
  std::map<int64_t, Recorded> plans_;  // by batch
};

// From the head's number to the published scale.
double image_reward_of(double raw);

}  // namespace nibble
