#include "metrics/image_reward.h"

#include <algorithm>

#include "base/error.h"
#include "image/exact_resize.h"
#include "models/names/original_names.h"

namespace nibble {
namespace {

constexpr int64_t kRewardBatch = 4;
constexpr float kPadding = -10000.0f;  // added to the scores of padded positions
constexpr int64_t kAddedTokens = 2;    // [DEC] and [ENC], behind the vocabulary

Scope scope_of(const WeightFile& file) {
  return Scope(weight_source(models::named_tensors(file, "", models::Naming::AsStored), file.path().string()),
               nullptr) /
         "blip";
}

}  // namespace

ImageReward::ImageReward(Context& context, const std::filesystem::path& weights,
                         const std::filesystem::path& vocabulary)
    : ImageReward(context, open_weights(weights), vocabulary) {}

ImageReward::ImageReward(Context& context, const WeightFile& file, const std::filesystem::path& vocabulary)
    : context_(context),
      config_(models::BlipConfig::deduce(file, "blip.")),
      tokenizer_(BertTokenizer::load(vocabulary)),
      vision_(scope_of(file) / "visual_encoder", config_.vision),
      text_(scope_of(file) / "text_encoder", config_.text, config_.vision.width),
      head_(read_affine_head(file, "mlp.layers.", config_.text.width)) {
  if (tokenizer_.vocabulary_size() + kAddedTokens != config_.text.vocabulary)
    fail(ErrorCode::InvalidArgument,
         "file {}: want the vocabulary of {} pieces that {} was trained with, found {}; take vocab.txt of "
         "bert-base-uncased",
         vocabulary.string(), config_.text.vocabulary - kAddedTokens, file.path().string(),
         tokenizer_.vocabulary_size());
}

ImageReward::Recorded& ImageReward::recorded(int64_t batch) {
  Recorded& r = plans_[batch];
  if (!r.plan) {
    const int64_t side = config_.vision.image;
    const Value pixels = r.graph.input("pixels", {DType::F32, {batch, side, side, 3}}, Rate::Prompt);
    const Value ids = r.graph.input("ids", {DType::I32, {batch, kTokens}}, Rate::Prompt);
    const Value mask = r.graph.input("mask", {DType::F32, {batch, 1, 1, kTokens}}, Rate::Prompt);
    r.plan = std::make_unique<Plan>(context_, r.graph, std::vector<Value>{text_(ids, mask, vision_(pixels))});
  }
  return r;
}

std::vector<double> ImageReward::rewards(std::span<const Image> pictures, std::span<const std::string> prompts) {
  if (pictures.size() != prompts.size())
    fail(ErrorCode::InvalidArgument, "ImageReward: want a prompt for each picture, found {} pictures and {} prompts",
         pictures.size(), prompts.size());
  const int64_t total = static_cast<int64_t>(pictures.size()), side = config_.vision.image, width = config_.text.width;
  std::vector<double> rewards;
  for (int64_t done = 0; done < total; done += kRewardBatch) {
    context_.check_cancelled();
    context_.report("image reward", done, total);
    const int64_t batch = std::min(kRewardBatch, total - done);
    Tensor pixels = Tensor::zeros(DType::F32, {batch, side, side, 3}),
           ids = Tensor::zeros(DType::I32, {batch, kTokens});
    Tensor mask = Tensor::zeros(DType::F32, {batch, 1, 1, kTokens});
    for (int64_t i = 0; i < batch; ++i) {
      const size_t at = static_cast<size_t>(done + i);
      const FloatImage picture = normalized(clip_picture(pictures[at], CropRule::Torchvision, side), kClipNorm);
      std::ranges::copy(picture.pixels, pixels.mutable_values<float>().begin() + i * side * side * 3);
      const BertTokenizer::Padded prompt = tokenizer_.encode_padded(prompts[at], kTokens);
      std::ranges::copy(prompt.ids, ids.mutable_values<int32_t>().begin() + i * kTokens);
      const auto row = mask.mutable_values<float>().subspan(static_cast<size_t>(i * kTokens), kTokens);
      std::fill(row.begin() + prompt.used, row.end(), kPadding);
    }
    Plan& plan = *recorded(batch).plan;
    plan.bind("pixels", pixels);
    plan.bind("ids", ids);
    plan.bind("mask", mask);
    plan.run();
    for (int64_t i = 0; i < batch; ++i)  // the head reads [CLS], position 0
      rewards.push_back(
          image_reward_of(head_({plan.output(0).as<float>() + i * kTokens * width, static_cast<size_t>(width)})));
  }
  context_.report("image reward", total, total);
  return rewards;
}

double image_reward_of(double raw) { return (raw - 0.16717362830052426) / 1.0333394966054072; }

}  // namespace nibble
