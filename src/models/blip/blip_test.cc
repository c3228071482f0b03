#include "models/blip/blip.h"

#include "base/error.h"
#include "models/golden_case.h"
#include "nn/formula_weights.h"

namespace nibble::models {
namespace {

// transformers' module -> ImageReward's path, which is our label.
std::string label_of(const std::string& module) {
  constexpr std::string_view kVisual = "visual.encoder.layers.", kText = "text.";
  if (module.starts_with(kText)) {
    std::string name = "blip.text_encoder." + module.substr(kText.size());
    if (name.ends_with(".output")) name.resize(name.size() - std::string_view(".output").size());  // the layer itself
    return name;
  }
  std::string name = module;
  if (name.starts_with(kVisual)) name = "blip.visual_encoder.blocks." + name.substr(kVisual.size());
  const std::pair<std::string_view, std::string_view> ends[] = {{".layer_norm1", ".norm1"}, {".self_attn", ".attn"}};
  for (const auto& [from, to] : ends)
    if (name.ends_with(from)) name.replace(name.size() - from.size(), from.size(), to);
  return name;
}

TEST(Blip, Every_activation_equals_the_reference) {
  const GoldenCase golden("blip/tiny");
  const BlipConfig config = BlipConfig::from_json(golden.config(), "blip/tiny");
  const Scope scope = Scope(formula_weights(), nullptr) / "blip";
  const BlipVision vision(scope / "visual_encoder", config.vision);
  const BlipText text(scope / "text_encoder", config.text, config.vision.width);
  const Tensor pixels = moved_axes(golden.input("pixels"), true), ids = golden.input("ids"),
               kept = golden.input("mask");
  Tensor mask = Tensor::zeros(DType::F32, {ids.dim(0), 1, 1, ids.dim(1)});
  for (int64_t i = 0; i < ids.count(); ++i)
    mask.mutable_values<float>()[static_cast<size_t>(i)] = element(kept, i) == 1 ? 0.0f : -10000.0f;
  Context context(2);
  Graph graph;
  const Value pixels_in = graph.input("pixels", {DType::F32, pixels.shape()}, Rate::Prompt);
  const Value ids_in = graph.input("ids", {DType::I32, ids.shape()}, Rate::Prompt);
  const Value mask_in = graph.input("mask", {DType::F32, mask.shape()}, Rate::Prompt);
  const Value picture = vision(pixels_in);
  Plan plan(context, graph, {picture, text(ids_in, mask_in, picture)}, observed_plan());
  Activations activations;
  activations.attach(plan);
  plan.bind(pixels_in, pixels);
  plan.bind(ids_in, ids);
  plan.bind(mask_in, mask);
  plan.run();
  expect_activations(golden, activations, label_of);
  expect_output(golden, "picture", plan.output_copy(0));
  expect_output(golden, "text", plan.output_copy(1));
}

}  // namespace
}  // namespace nibble::models
