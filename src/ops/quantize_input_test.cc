// What quantized linear layers share of their input: one pass for queries, keys and values, and the norm in front of
// it.
#include "ops/quantize_input.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "graph/plan.h"
#include "ops/quantized_oracle.h"

namespace nibble::ops {
namespace {

constexpr int64_t kWidth = 72, kOut = 40;

std::vector<RandomLayer> sharing(const LayerCase& c) {
  std::vector<RandomLayer> layers;
  for (uint32_t seed : {3u, 4u, 5u}) {
    layers.emplace_back(c, seed);
    layers.back().input_scale = layers.front().input_scale;
    layers.back().down = layers.front().down;
  }
  return layers;
}

std::vector<LayerCase> cases() {
  std::vector<LayerCase> all;
  for (const ActivationKind activation : {ActivationKind::Float, ActivationKind::Int8, ActivationKind::Int4})
    for (const int64_t rank : {0, 16, 40})
      for (const bool smoothed : {false, true})
        all.push_back({{kOut, 1, kWidth, WeightKind::Int4, 64},
                       activation,
                       rank,
                       smoothed,
                       activation == ActivationKind::Int4 && smoothed ? 0.25f : 0.0f});
  return all;
}

std::vector<float> random_input(const Shape& shape) {
  std::mt19937 random(21);
  std::normal_distribution<float> normal;
  std::vector<float> x;
  for (int64_t i = 0; i < shape.count(); ++i) x.push_back(normal(random));
  return x;
}

struct Outcome {
  std::vector<std::vector<float>> y;
  int64_t passes = 0, ops = 0;
};

Outcome run(Context& context, DType dtype, const std::vector<RandomLayer>& layers,
            const std::function<Value(Graph&, Value)>& before, PlanOptions options = {}) {
  const Shape shape{2, 33, kWidth};
  Graph graph;
  const Value in = graph.input("x", {dtype, shape}, Rate::Step), x = before(graph, in);
  std::vector<Value> outputs;
  for (const RandomLayer& layer : layers) outputs.push_back(layer.record(x));
  Plan plan(context, graph, outputs, std::move(options));
  plan.bind(in, Tensor::from(random_input(shape), shape).to(dtype));
  plan.run();
  Outcome out;
  for (int i = 0; i < static_cast<int>(outputs.size()); ++i) {
    const Tensor y = plan.output_copy(i);
    out.y.emplace_back(y.values<float>().begin(), y.values<float>().end());
  }
  for (const PlannedNode& node : plan.nodes()) {
    out.ops += node.op != nullptr;
    out.passes += node.op && node.op->name() == std::string_view("quantize_input");
  }
  return out;
}

Value nothing(Graph&, Value x) { return x; }

Value with_layer_norm(Graph& graph, Value x) {
  std::vector<float> gamma, beta;
  for (int i = 0; i < kWidth; ++i)
    gamma.push_back(1 + 0.5f * std::sin(static_cast<float>(i))), beta.push_back(std::cos(static_cast<float>(i)));
  return layer_norm(x, graph.constant(Tensor::from(gamma, {kWidth})), graph.constant(Tensor::from(beta, {kWidth})),
                    1e-5f);
}

TEST(QuantizeInput, Layers_that_share_an_input_share_its_pass_and_lose_no_bit) {
  for (const LayerCase& c : cases())
    for (const DType dtype : {DType::F32, DType::BF16}) {
      Context context(2);
      const std::vector<RandomLayer> layers = sharing(c);
      const Outcome together = run(context, dtype, layers, nothing);
      const bool has_pass = c.activation != ActivationKind::Float || c.rank > 0;
      EXPECT_EQ(together.passes, has_pass ? 1 : 0) << c.text();
      EXPECT_EQ(together.ops, 3 + together.passes) << c.text();
      for (size_t i = 0; i < layers.size(); ++i)
        EXPECT_EQ(together.y[i], run(context, dtype, {layers[i]}, nothing).y[0])
            << c.text() << " layer " << i << " " << to_string(dtype);
    }
}

TEST(QuantizeInput, Another_down_or_smoothing_or_form_is_a_pass_of_its_own) {
  Context context(1);
  const LayerCase c{{kOut, 1, kWidth, WeightKind::Int4, 64}, ActivationKind::Int8, 16, true};
  std::vector<RandomLayer> layers = sharing(c);
  layers[1].down[5] += 1;
  layers[2].input_scale[7] *= 2;
  EXPECT_EQ(run(context, DType::F32, layers, nothing).passes, 3);
  layers = sharing(c);
  layers[1].c.rank = 0;
  layers[2].c.activation = ActivationKind::Int4;
  EXPECT_EQ(run(context, DType::F32, layers, nothing).passes, 3);
}

// The norm's rows are quantized and multiplied from the cache: the same numbers as from memory.
TEST(QuantizeInput, A_layer_norm_in_front_is_part_of_the_pass) {
  for (const LayerCase& c : cases()) {
    if (c.activation == ActivationKind::Float) continue;
    for (const DType dtype : {DType::F32, DType::BF16}) {
      Context one(1), three(3);
      PlanOptions observed;
      observed.observe = [](const Node& node) { return node.op && node.op->name() == std::string_view("layer_norm"); };
      const std::vector<RandomLayer> layers = sharing(c);
      const Outcome apart = run(one, dtype, layers, with_layer_norm, observed);
      for (Context* context : {&one, &three}) {
        const Outcome together = run(*context, dtype, layers, with_layer_norm);
        ASSERT_EQ(together.ops, 4) << c.text();
        ASSERT_EQ(apart.ops, 5) << c.text();
        ASSERT_EQ(together.y, apart.y) << c.text() << " " << to_string(dtype);
      }
    }
  }
}

TEST(QuantizeInput, The_pass_counts_the_product_with_down_once) {
  Graph graph;
  const Value x = graph.input("x", {DType::F32, {6, kWidth}}, Rate::Step);
  const LayerCase c{{kOut, 1, kWidth, WeightKind::Int4, 64}, ActivationKind::Int8, 16};
  double operations = 0;
  std::vector<Value> outputs;
  for (const RandomLayer& layer : sharing(c)) outputs.push_back(layer.record(x));
  Context context(1);
  const Plan plan(context, graph, outputs);
  for (const PlannedNode& node : plan.nodes()) {
    std::vector<TensorType> types;
    for (const int input : node.inputs) types.push_back(graph.node(plan.nodes()[static_cast<size_t>(input)].id).type);
    if (node.op) operations += node.op->cost(types, graph.node(node.id).type).operations;
  }
  EXPECT_EQ(operations, 2.0 * 6 * (3 * kOut * (kWidth + 16) + 16 * kWidth));
}

}  // namespace
}  // namespace nibble::ops
