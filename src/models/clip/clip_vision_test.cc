#include "models/clip/clip_vision.h"

#include "base/error.h"
#include "models/golden_case.h"
#include "nn/formula_weights.h"

namespace nibble::models {
namespace {

class ClipVisionGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(ClipVisionGolden, Every_activation_equals_the_reference) {
  const GoldenCase golden(std::string("clip/") + GetParam());
  const ClipVisionModel clip(Scope(formula_weights(), nullptr),
                             ClipVisionConfig::from_json(golden.config(), GetParam()));
  const Tensor pixels = moved_axes(golden.input("pixel_values"), true);
  Context context(2);
  Graph graph;
  const Value in = graph.input("pixels", {DType::F32, pixels.shape()}, Rate::Prompt);
  const ClipVisionModel::Output out = clip(in);
  Plan plan(context, graph, {out.hidden, out.embedding}, observed_plan());
  Activations activations;
  activations.attach(plan);
  plan.bind(in, pixels);
  plan.run();
  expect_activations(golden, activations, [](const std::string& name) { return name; });
  expect_output(golden, "last_hidden_state", plan.output_copy(0));
  expect_output(golden, "image_embeds", plan.output_copy(1));
}

INSTANTIATE_TEST_SUITE_P(Towers, ClipVisionGolden, ::testing::Values("vision_b_tiny", "vision_l_tiny"),
                         [](const auto& test) { return std::string(test.param); });

TEST(ClipVision, Picture_sizes_that_the_positions_do_not_fit_are_refused) {
  const ClipVisionModel clip(
      Scope(formula_weights(), nullptr),
      {.image = 16, .patch = 8, .width = 16, .mlp_width = 32, .layers = 1, .heads = 2, .projection = 8});
  for (const int64_t side : {20, 24}) {
    Graph graph;
    EXPECT_THROW(clip(graph.input("pixels", {DType::F32, {1, side, side, 3}}, Rate::Prompt)), Error) << side;
  }
  EXPECT_THROW(ClipVisionConfig::from_json({{"image_size", 30}, {"patch_size", 8}}, "config.json"), Error);
}

}  // namespace
}  // namespace nibble::models
