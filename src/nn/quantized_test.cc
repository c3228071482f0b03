// Layers bound to what a quantized file holds: what they compute, and what they refuse.
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "graph/plan.h"
#include "nn/layers.h"
#include "ops/quantized_oracle.h"

namespace nibble::nn {
namespace {

using ops::LayerCase;
using ops::LayerOracle;
using ops::RandomLayer;

// A file with one quantized layer at "block.0".
struct File {
  std::map<std::string, Tensor> tensors;
  QuantRecord record;

  explicit File(const RandomLayer& layer) {
    const LayerCase& c = layer.c;
    const QuantShape& s = c.shape;
    record = {s.kind, c.activation, s.group, c.rank, c.shift, c.smoothed, 0};
    put("codes", ops::bytes_tensor(DType::U8, layer.packed.codes.data(), static_cast<int64_t>(s.code_bytes())));
    put("scales", Tensor::from(layer.packed.scales, {s.scale_count()}));
    if (s.kind == WeightKind::Int4) put("ratios", ops::bytes_tensor(DType::I16, layer.packed.ratios.data(), s.ratio_count()));
    if (c.smoothed) put("input_scale", Tensor::from(layer.input_scale, {s.k}));
    if (c.bias) put("bias", Tensor::from(layer.bias, {s.n}));
    if (c.rank > 0) put("down", layer.down_tensor()), put("up", layer.up_tensor());
  }

  void put(const std::string& name, const Tensor& t) { tensors["block.0." + name] = t; }

  Scope scope(ParameterList* list = nullptr) const {
    auto source = std::make_shared<WeightSource>();
    source->label = "test.safetensors";
    source->find = [all = tensors](const std::string& name, const Shape&) -> std::optional<Tensor> {
      const auto at = all.find(name);
      return at == all.end() ? std::nullopt : std::optional(at->second);
    };
    source->quantized = [r = record](const std::string& path) { return path == "block.0" ? std::optional(r) : std::nullopt; };
    return Scope(source, list) / "block" / int64_t{0};
  }
};

std::vector<LayerCase> cases(bool conv) {
  std::vector<LayerCase> all;
  for (const WeightKind weights : {WeightKind::Int8, WeightKind::Int4})
    for (const ActivationKind activation : {ActivationKind::Float, ActivationKind::Int8, ActivationKind::Int4})
      for (const int64_t rank : {0, 16})
        for (const bool full : {false, true}) {
          if (activation == ActivationKind::Int4 && weights == WeightKind::Int8) continue;
          LayerCase c{{20, 1, 72, weights, 64}, activation, rank, full, full && activation == ActivationKind::Int4 ? 0.2734375f : 0.0f, full};
          if (conv) c.conv = true, c.kernel = 3, c.shape.taps = 9, c.options = {1, 1, 1, 1, 1};
          all.push_back(c);
        }
  return all;
}

std::vector<float> random_values(int64_t count) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> x;
  for (int64_t i = 0; i < count; ++i) x.push_back(normal(random));
  return x;
}

template <typename Module>
void expect_oracle(const Module& module, const RandomLayer& layer, const Shape& shape) {
  Context context(2);
  Graph graph;
  const Value in = graph.input("x", {DType::F32, shape}, Rate::Step);
  const Value out = module(in);
  EXPECT_EQ(graph.node(out.id()).name, "block.0");
  Plan plan(context, graph, {out});
  const std::vector<float> x = random_values(shape.count());
  plan.bind(in, Tensor::from(x, shape));
  plan.run();
  const Tensor y = plan.output_copy(0);
  const LayerOracle oracle(layer, x, shape);
  ASSERT_EQ(y.count(), oracle.rows() * layer.c.shape.n);
  for (int64_t i = 0; i < y.count(); ++i) {
    const auto [want, size] = oracle.value(i / layer.c.shape.n, i % layer.c.shape.n);
    ASSERT_NEAR(static_cast<double>(element(y, i)), want, oracle.tolerance(size)) << layer.c.text();
  }
}

TEST(QuantizedLayers, Linear_computes_what_the_record_says) {
  for (const LayerCase& c : cases(false)) {
    const RandomLayer layer(c);
    ParameterList list;
    const Linear linear(File(layer).scope(&list), c.shape.k, c.shape.n, c.bias);
    EXPECT_EQ(list.parameters.front().name, "block.0.codes");
    EXPECT_EQ(list.parameters.size(), 2u + (c.shape.kind == WeightKind::Int4) + c.smoothed + 2 * (c.rank > 0) + c.bias);
    ASSERT_NO_FATAL_FAILURE(expect_oracle(linear, layer, {3, 5, 72}));
  }
}

TEST(QuantizedLayers, Conv2d_computes_what_the_record_says) {
  for (const LayerCase& c : cases(true)) {
    const RandomLayer layer(c);
    const Conv2d conv(File(layer).scope(), c.shape.k, c.shape.n, 3, 1, c.bias);
    ASSERT_NO_FATAL_FAILURE(expect_oracle(conv, layer, {2, 4, 5, 72}));
  }
}

TEST(QuantizedLayers, Conv2d_with_the_downsampling_of_the_vae) {
  LayerCase c{{20, 9, 72, WeightKind::Int4, 64}};
  c.conv = true, c.kernel = 3, c.options = {2, 0, 0, 1, 1};
  const RandomLayer layer(c);
  const Conv2d conv(File(layer).scope(), 72, 20, 3, 2, true, true);
  expect_oracle(conv, layer, {2, 6, 4, 72});
}

// A solver that corrects the mean gives a layer without a bias one; a layer that wants one must find it.
TEST(QuantizedLayers, A_bias_may_appear_but_not_vanish) {
  LayerCase c{{20, 1, 72, WeightKind::Int8}};
  const RandomLayer layer(c);
  expect_oracle(Linear(File(layer).scope(), 72, 20, false), layer, {4, 72});
  File without(layer);
  without.tensors.erase("block.0.bias");
  EXPECT_THROW(Linear(without.scope(), 72, 20, true), Error);
}

TEST(QuantizedLayers, Damage_is_an_error_that_names_the_layer) {
  LayerCase c{{20, 1, 72, WeightKind::Int4, 64}, ActivationKind::Int8, 16, true};
  const RandomLayer layer(c);
  const auto refused = [&](const std::function<void(File&)>& damage, ErrorCode code, const char* part) {
    File file(layer);
    damage(file);
    try {
      Linear(file.scope(), 72, 20);
      ADD_FAILURE() << part << ": accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find("block.0"), std::string::npos) << e.what();
    }
  };
  const auto set_float = [](const char* name, float value) {
    return [=](File& f) { f.tensors["block.0." + std::string(name)].mutable_values<float>()[3] = value; };
  };
  const auto set_ratio = [](int16_t value) {
    return [=](File& f) { f.tensors["block.0.ratios"].mutable_values<int16_t>()[5] = value; };
  };
  const auto drop = [](const char* name) { return [=](File& f) { f.tensors.erase("block.0." + std::string(name)); }; };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  refused(set_float("scales", kNan), ErrorCode::Corrupt, "scales");
  refused(set_float("scales", kInf), ErrorCode::Corrupt, "scales");
  refused(set_float("input_scale", kNan), ErrorCode::Corrupt, "input_scale");
  refused(set_ratio(kRatioMax + 1), ErrorCode::Corrupt, "ratios");
  refused(set_ratio(-1), ErrorCode::Corrupt, "ratios");
  for (const char* name : {"codes", "scales", "ratios", "input_scale", "down", "up", "bias"}) refused(drop(name), ErrorCode::NotFound, name);
  refused([](File& f) { f.put("codes", Tensor::zeros(DType::U8, {7})); }, ErrorCode::Corrupt, "codes");
  refused([](File& f) { f.put("codes", Tensor::zeros(DType::I8, f.tensors["block.0.codes"].shape())); }, ErrorCode::Corrupt, "codes");
  refused([](File& f) { f.put("up", Tensor::zeros(DType::BF16, {2, 15, 16})); }, ErrorCode::Corrupt, "up");
  refused([](File& f) { f.record.rank = 257; }, ErrorCode::Corrupt, "rank 257");
  refused([](File& f) { f.record.rank = -1; }, ErrorCode::Corrupt, "rank -1");
  refused([](File& f) { f.record.group = 48; }, ErrorCode::Corrupt, "group 48");
  refused([](File& f) { f.record.shift = -1; }, ErrorCode::Corrupt, "shift -1");
  refused([](File& f) { f.record.shift = kNan; }, ErrorCode::Corrupt, "shift");
  refused([](File& f) { f.record.shift = 0.25f; }, ErrorCode::Unsupported, "shift");
  refused([](File& f) { f.record.weights = WeightKind::Int8, f.record.activations = ActivationKind::Int4; }, ErrorCode::Unsupported, "int4 weights");
}

}  // namespace
}  // namespace nibble::nn
