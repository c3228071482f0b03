#include "models/clip/clip.h"

#include "models/golden_case.h"
#include "nn/formula_weights.h"

namespace nibble::models {
namespace {

class ClipGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(ClipGolden, Every_activation_equals_the_reference) {
  const GoldenCase golden(std::string("clip/") + GetParam());
  const bool projected = golden.json["class"] == "CLIPTextModelWithProjection";
  const ClipTextModel clip(Scope(formula_weights(), nullptr), ClipConfig::from_json(golden.config(), projected, GetParam()));
  const Tensor ids = golden.input("input_ids");
  Tensor end = Tensor::zeros(DType::I32, {ids.dim(0)});
  for (int64_t n = 0; n < ids.dim(0); ++n) {
    const auto row = ids.rows(n, n + 1).values<int32_t>();
    end.mutable_values<int32_t>()[static_cast<size_t>(n)] =
        static_cast<int32_t>(end_of_text({row.begin(), row.end()}, clip.config().eos_token));
  }
  Context context(2);
  Graph graph;
  const Value ids_in = graph.input("ids", {DType::I32, ids.shape()}, Rate::Prompt);
  const Value end_in = graph.input("end", {DType::I32, end.shape()}, Rate::Prompt);
  const ClipTextModel::Output last = clip(ids_in, end_in, 0, true, DType::F32);
  const ClipTextModel::Output penultimate = clip(ids_in, end_in, 1, false, DType::F32);
  Plan plan(context, graph, {last.hidden, last.pooled, penultimate.hidden}, observed_plan());
  Activations activations;
  activations.attach(plan);
  plan.bind(ids_in, ids.data(), ids.bytes());
  plan.bind(end_in, end.data(), end.bytes());
  plan.run();
  expect_activations(golden, activations, [](const std::string& name) { return name; });
  expect_output(golden, "last_hidden_state", plan.output_copy(0));
  expect_output(golden, projected ? "text_embeds" : "pooled", plan.output_copy(1));
  expect_output(golden, "penultimate", plan.output_copy(2));
}

INSTANTIATE_TEST_SUITE_P(Encoders, ClipGolden, ::testing::Values("clip_l_tiny", "openclip_h_tiny", "bigg_tiny"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace nibble::models
