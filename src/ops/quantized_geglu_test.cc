// A geglu behind a quantized linear layer is done in the layer's epilogue: the same bits, and the doubled result is
// never stored.
#include <gtest/gtest.h>

#include "graph/plan.h"
#include "ops/basic.h"
#include "ops/quantized_oracle.h"

namespace nibble::ops {
namespace {

constexpr int64_t kWidth = 72;

struct Outcome {
  std::vector<float> y;
  size_t ops, arena;
};

Outcome run(Context& context, const RandomLayer& layer, int64_t rows, DType dtype, bool together) {
  std::mt19937 random(31);
  std::normal_distribution<float> normal;
  std::vector<float> x;
  for (int64_t i = 0; i < rows * kWidth; ++i) x.push_back(normal(random));
  Graph graph;
  const Value in = graph.input("x", {dtype, {rows, kWidth}}, Rate::Step), out = geglu(layer.record(in));
  PlanOptions options;
  if (!together)
    options.observe = [](const Node& node) {
      return node.op && std::string_view(node.op->name()).starts_with("linear");
    };
  Plan plan(context, graph, {out}, options);
  plan.bind(in, Tensor::from(x, {rows, kWidth}).to(dtype));
  plan.run();
  const Tensor y = plan.output_copy(0);
  return {{y.values<float>().begin(), y.values<float>().end()}, plan.nodes().size(), plan.arena_bytes()};
}

std::vector<LayerCase> cases(int64_t n) {
  std::vector<LayerCase> all;
  for (const int64_t rank : {0, 16}) {
    all.push_back({{n, 1, kWidth, WeightKind::Int8, 64}, ActivationKind::Int8, rank, true});
    all.push_back({{n, 1, kWidth, WeightKind::Int4, 64}, ActivationKind::Int8, rank, true});
    all.push_back({{n, 1, kWidth, WeightKind::Int4, 64}, ActivationKind::Int4, rank, true, 0.25f});
  }
  return all;
}

TEST(QuantizedGeglu, Is_part_of_the_layer_and_changes_no_bit) {
  for (const CpuMask mask : narrower_masks(detect_cpu()))
    for (const LayerCase& c : cases(96))
      for (const DType dtype : {DType::F32, DType::BF16})
        for (const int64_t rows : {7, 600}) {  // split over columns, and over rows
          Context one(1, mask), three(3, mask);
          const RandomLayer layer(c);
          const Outcome apart = run(one, layer, rows, dtype, false);
          for (Context* context : {&one, &three}) {
            const Outcome together = run(*context, layer, rows, dtype, true);
            ASSERT_EQ(together.ops + 1, apart.ops) << c.text();
            ASSERT_EQ(together.y, apart.y) << c.text() << " " << to_string(dtype) << " on " << to_string(mask);
          }
        }
}

TEST(QuantizedGeglu, Never_stores_the_doubled_result) {
  constexpr int64_t kRows = 4096, kColumns = 320;
  Context context(2);
  const RandomLayer layer({{2 * kColumns, 1, kWidth, WeightKind::Int4, 64}, ActivationKind::Int8});
  const size_t doubled = static_cast<size_t>(kRows * 2 * kColumns) * sizeof(float);
  EXPECT_GE(run(context, layer, kRows, DType::F32, false).arena, doubled * 3 / 2);
  EXPECT_LT(run(context, layer, kRows, DType::F32, true).arena, doubled);
}

// Panels hold sixteen channels: halves that cut one stay apart, and so do weights that are expanded to floats.
TEST(QuantizedGeglu, Stays_apart_where_the_halves_share_a_panel) {
  Context context(1);
  std::vector<LayerCase> apart = cases(40);
  apart.push_back({{96, 1, kWidth, WeightKind::Int4, 64}, ActivationKind::Float, 16});
  for (const LayerCase& c : apart) {
    const RandomLayer layer(c);
    const Outcome fused = run(context, layer, 9, DType::F32, true), plain = run(context, layer, 9, DType::F32, false);
    EXPECT_EQ(fused.ops, plain.ops) << c.text();
    EXPECT_EQ(fused.y, plain.y) << c.text();
  }
}

}  // namespace
}  // namespace nibble::ops
