#include "models/unet/unet.h"

#include "models/golden_case.h"
#include "nn/formula_weights.h"

namespace nibble::models {
namespace {

// Our label of a reference module that has none of its own: a wrapper's value is that of its last part.
std::function<std::string(const std::string&)> label_of(const UNetConfig& config) {
  return [&config](const std::string& name) {
    if (name == "mid_block") return std::string(config.mid.cross_attention ? "mid_block.resnets.1" : "mid_block.resnets.0");
    return name + ".conv";
  };
}

Tensor as_float(const Tensor& t) { return t.to(DType::F32); }

struct Recorded {
  Graph graph;
  Value out;
};

void record(const UNet2DConditionModel& unet, const GoldenCase& golden, Recorded& r) {
  const auto input = [&](const std::string& name, Rate rate) {
    const Tensor t = moved_axes(golden.input(name), true);
    return r.graph.input(name, {DType::F32, t.shape()}, rate);
  };
  UNetInputs in;
  in.sample = input("sample", Rate::Step);
  in.timestep = input("timestep", Rate::Step);
  in.text = input("encoder_hidden_states", Rate::Prompt);
  if (golden.data.has("in.text_embeds")) {
    in.pooled_text = input("text_embeds", Rate::Prompt);
    in.sizes = input("time_ids", Rate::Prompt);
  }
  if (golden.data.has("in.timestep_cond")) in.guidance_embedding = input("timestep_cond", Rate::Prompt);
  for (int i = 0; golden.data.has(format("in.down_block_additional_residuals.{}", i)); ++i)
    in.down_residuals.push_back(input(format("down_block_additional_residuals.{}", i), Rate::Step));
  if (golden.data.has("in.mid_block_additional_residual")) in.mid_residual = input("mid_block_additional_residual", Rate::Step);
  r.out = unet(in);
}

void bind_all(Plan& plan, const Graph& graph, const GoldenCase& golden) {
  for (int id = 0; id < graph.size(); ++id)
    if (graph.node(id).is_input)
      plan.bind(graph.node(id).name, as_float(moved_axes(golden.input(graph.node(id).name), true)));
}

class UNetGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(UNetGolden, Every_activation_equals_the_reference) {
  const GoldenCase golden(std::string("unet/") + GetParam());
  const UNet2DConditionModel unet(Scope(formula_weights(), nullptr), UNetConfig::from_json(golden.config(), GetParam()));
  Context context(2);
  Recorded r;
  record(unet, golden, r);

  Plan observed(context, r.graph, {r.out}, observed_plan());
  Activations activations;
  activations.attach(observed);
  bind_all(observed, r.graph, golden);
  observed.run();
  expect_activations(golden, activations, label_of(unet.config()));
  expect_output(golden, "out", observed.output_copy(0));

  Plan fused(context, r.graph, {r.out});
  bind_all(fused, r.graph, golden);
  fused.run();
  expect_output(golden, "out", fused.output_copy(0));
  EXPECT_LT(fused.nodes().size(), observed.nodes().size());
}

INSTANTIATE_TEST_SUITE_P(Families, UNetGolden,
                         ::testing::Values("sd15_tiny", "sd15_odd", "sd21_tiny", "sdxl_tiny", "refiner_tiny", "inpaint_tiny",
                                           "lcm_tiny", "bksdm_tiny", "ssd_tiny"),
                         [](const auto& test) { return std::string(test.param); });

TEST(UNet, Threads_batches_and_memory_reuse_change_no_bit) {
  const GoldenCase golden("unet/sd15_tiny");
  const UNet2DConditionModel unet(Scope(formula_weights(), nullptr), UNetConfig::from_json(golden.config(), "sd15_tiny"));
  const auto run = [&](int threads, bool reuse) {
    Context context(threads);
    Recorded r;
    record(unet, golden, r);
    PlanOptions options;
    options.reuse_memory = reuse;
    Plan plan(context, r.graph, {r.out}, options);
    bind_all(plan, r.graph, golden);
    plan.run();
    return plan.output_copy(0);
  };
  const auto same = [](const Tensor& a, const Tensor& b) {
    return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
  };
  const Tensor one = run(1, true);
  EXPECT_TRUE(same(one, run(2, true)));
  EXPECT_TRUE(same(one, run(4, true)));
  EXPECT_TRUE(same(one, run(1, false)));
}

TEST(UNet, Text_keys_and_values_are_computed_once_per_prompt) {
  const GoldenCase golden("unet/sd15_tiny");
  const UNet2DConditionModel unet(Scope(formula_weights(), nullptr), UNetConfig::from_json(golden.config(), "sd15_tiny"));
  Context context(1);
  Recorded r;
  record(unet, golden, r);
  Plan plan(context, r.graph, {r.out});
  int hoisted = 0, attentions = 0;
  for (int i = 0; i < static_cast<int>(plan.nodes().size()); ++i) {
    if (!plan.nodes()[static_cast<size_t>(i)].op) continue;
    const std::string name = plan.nodes()[static_cast<size_t>(i)].op->name();
    hoisted += plan.phase(i) == Rate::Prompt && name == "linear";
    attentions += name == "attention";
  }
  EXPECT_EQ(hoisted, attentions);  // to_k and to_v of every second attention
}

TEST(UNet, A_config_of_another_kind_is_refused_by_name) {
  Json config = GoldenCase("unet/sd15_tiny").config();
  config["class_embed_type"] = "timestep";
  try {
    UNetConfig::from_json(config, "unet/config.json");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::Unsupported);
    EXPECT_NE(std::string(e.what()).find("class_embed_type"), std::string::npos);
  }
}

}  // namespace
}  // namespace nibble::models
