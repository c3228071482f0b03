// The published networks have exactly the published numbers of parameters, counted without
// memory.
#include <gtest/gtest.h>

#include "models/blip/blip.h"
#include "models/clip/clip.h"
#include "models/clip/clip_vision.h"

namespace nibble::models {
namespace {

// Tensors of every wanted shape that nobody reads.
std::shared_ptr<const WeightSource> shapes_only() {
  static const char kNothing[64] = {};
  return std::make_shared<WeightSource>(WeightSource{"shapes", [](const std::string&, const Shape& shape) {
                                                       return std::optional<Tensor>(
                                                           Tensor::view(DType::F32, shape, kNothing, nullptr));
                                                     }});
}

int64_t clip_parameters(const ClipConfig& text, const ClipVisionConfig& vision) {
  ParameterList list;
  const Scope scope(shapes_only(), &list);
  const ClipTextModel text_model(scope, text);
  const ClipVisionModel vision_model(scope, vision);
  return list.count() + 1;  // logit_scale
}

TEST(PublishedSizes, Clip) {
  const ClipConfig base{.width = 512, .mlp_width = 2048, .layers = 12, .heads = 8, .projection = 512};
  const ClipConfig large{.width = 768, .mlp_width = 3072, .layers = 12, .heads = 12, .projection = 768};
  EXPECT_EQ(clip_parameters(base, {}), 151'277'313);
  EXPECT_EQ(clip_parameters(base, {.patch = 16}), 149'620'737);
  EXPECT_EQ(clip_parameters(
                large, {.patch = 14, .width = 1024, .mlp_width = 4096, .layers = 24, .heads = 16, .projection = 768}),
            427'616'513);
}

TEST(PublishedSizes, ImageReward) {
  const BlipConfig config;
  ParameterList visual, text;
  const BlipVision vision_model(Scope(shapes_only(), &visual), config.vision);
  const BlipText text_model(Scope(shapes_only(), &text), config.text, config.vision.width);
  constexpr int64_t kHead = 927'969;
  EXPECT_EQ(visual.count(), 303'301'632);
  EXPECT_EQ(text.count(), 141'977'088);
  EXPECT_EQ(visual.count() + text.count() + kHead, 446'206'689);
}

}  // namespace
}  // namespace nibble::models
