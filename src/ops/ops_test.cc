#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/random.h"
#include "graph/gradient.h"
#include "graph/plan.h"
#include "ops/attention.h"
#include "ops/basic.h"
#include "ops/linear.h"
#include "ops/norm.h"

namespace nibble::ops {
namespace {

using Build = std::function<Value(const std::vector<Value>&)>;

Tensor random_tensor(const Shape& shape, uint64_t seed, float scale = 1, float offset = 0) {
  Tensor t = Tensor::zeros(DType::F32, shape);
  Generator generator(seed);
  generator.randn(t.mutable_values<float>());
  for (float& v : t.mutable_values<float>()) v = v * scale + offset;
  return t;
}

struct GradientCase {
  const char* name;
  std::vector<Shape> inputs;
  Build build;
  float scale = 1, offset = 0;  // of the random inputs
};

const Conv2dOptions kSame{1, 1, 1, 1, 1};
const Conv2dOptions kDown{2, 0, 0, 1, 1};
const Conv2dOptions kStride{2, 1, 1, 1, 1};

const GradientCase kCases[] = {
    {"add", {{2, 3, 4}, {2, 3, 4}}, [](auto& v) { return add(v[0], v[1]); }},
    {"add_row", {{2, 3, 4}, {4}}, [](auto& v) { return add(v[0], v[1]); }},
    {"add_image_row", {{2, 3, 2, 4}, {2, 1, 1, 4}}, [](auto& v) { return add(v[0], v[1]); }},
    {"sub", {{3, 4}, {4}}, [](auto& v) { return sub(v[0], v[1]); }},
    {"mul", {{2, 3, 4}, {2, 3, 4}}, [](auto& v) { return mul(v[0], v[1]); }},
    {"mul_row", {{2, 3, 4}, {4}}, [](auto& v) { return mul(v[0], v[1]); }},
    {"mul_scalar", {{2, 3}, {1}}, [](auto& v) { return mul(v[0], v[1]); }},
    {"div", {{2, 3}, {2, 3}}, [](auto& v) { return div(v[0], v[1]); }, 0.2f, 2.0f},
    {"scale", {{5}}, [](auto& v) { return scale(v[0], -1.5f, 0.25f); }},
    {"silu", {{3, 5}}, [](auto& v) { return silu(v[0]); }},
    {"gelu", {{3, 5}}, [](auto& v) { return gelu(v[0]); }},
    {"gelu_tanh", {{3, 5}}, [](auto& v) { return gelu_tanh(v[0]); }},
    {"quick_gelu", {{3, 5}}, [](auto& v) { return quick_gelu(v[0]); }},
    {"sigmoid", {{3, 5}}, [](auto& v) { return sigmoid(v[0]); }},
    {"tanh", {{3, 5}}, [](auto& v) { return tanh(v[0]); }},
    {"exp", {{3, 5}}, [](auto& v) { return exp(v[0]); }},
    {"sqrt", {{3, 5}}, [](auto& v) { return sqrt(v[0]); }, 0.2f, 2.0f},
    {"square", {{3, 5}}, [](auto& v) { return square(v[0]); }},
    {"reciprocal", {{3, 5}}, [](auto& v) { return reciprocal(v[0]); }, 0.2f, 2.0f},
    {"geglu", {{2, 3, 8}}, [](auto& v) { return geglu(v[0]); }},
    {"reshape", {{2, 6}}, [](auto& v) { return reshape(v[0], {3, 4}); }},
    {"permute", {{2, 3, 4}}, [](auto& v) { return permute(v[0], {2, 0, 1}); }},
    {"concat", {{2, 3}, {2, 2}}, [](auto& v) { return concat({v[0], v[1]}, 1); }},
    {"slice", {{3, 6}}, [](auto& v) { return slice(v[0], 1, 2, 5); }},
    {"pad", {{2, 3}}, [](auto& v) { return pad(v[0], 0, 1, 2); }},
    {"sum_rows", {{2, 3, 4}}, [](auto& v) { return sum_rows(v[0]); }},
    {"sum_last", {{2, 3, 4}}, [](auto& v) { return sum_last(v[0]); }},
    {"mean_all", {{2, 3}}, [](auto& v) { return mean_all(v[0]); }},
    {"broadcast_last", {{3, 1}}, [](auto& v) { return broadcast_last(v[0], 4); }},
    {"upsample_nearest", {{1, 2, 3, 2}}, [](auto& v) { return upsample_nearest_2x(v[0]); }},
    {"linear", {{2, 3, 5}, {4, 5}, {4}}, [](auto& v) { return linear(v[0], v[1], v[2]); }},
    {"linear_transposed", {{3, 5}, {5, 4}}, [](auto& v) { return linear(v[0], v[1], {}, true); }},
    {"matmul", {{2, 3, 5}, {2, 4, 5}}, [](auto& v) { return matmul(v[0], v[1]); }},
    {"matmul_transposed", {{2, 3, 5}, {2, 5, 4}}, [](auto& v) { return matmul(v[0], v[1], true); }},
    {"conv2d", {{2, 5, 4, 3}, {4, 3, 3, 3}, {4}}, [](auto& v) { return conv2d(v[0], v[1], v[2], kSame); }},
    {"conv2d_stride", {{1, 5, 6, 2}, {3, 2, 3, 3}}, [](auto& v) { return conv2d(v[0], v[1], {}, kStride); }},
    {"conv2d_pointwise_padded", {{2, 3, 2, 3}, {4, 3, 1, 1}, {4}}, [](auto& v) { return conv2d(v[0], v[1], v[2], kSame); }},
    {"conv2d_bottom_right", {{1, 6, 6, 2}, {3, 2, 3, 3}}, [](auto& v) { return conv2d(v[0], v[1], {}, kDown); }},
    {"group_norm", {{2, 3, 2, 6}, {6}, {6}}, [](auto& v) { return group_norm(v[0], v[1], v[2], 3, 1e-5f); }},
    {"layer_norm", {{2, 3, 6}, {6}, {6}}, [](auto& v) { return layer_norm(v[0], v[1], v[2], 1e-5f); }},
    {"rms_norm", {{2, 3, 6}, {6}}, [](auto& v) { return rms_norm(v[0], v[1], 1e-5f); }},
    {"softmax", {{2, 3, 5}}, [](auto& v) { return softmax(v[0]); }},
    {"attention", {{2, 4, 6}, {2, 5, 6}, {2, 5, 6}}, [](auto& v) { return attention(v[0], v[1], v[2], {.heads = 2}); }},
};

void PrintTo(const GradientCase& c, std::ostream* out) { *out << c.name; }

class Gradients : public ::testing::TestWithParam<GradientCase> {};

// d/dx of <r, f(x)> by central differences in each element against the recorded gradient. The difference's own error is
// rounding, eps · sum |terms| / 2h, and curvature, h² f'''/6; with h = 1e-2, at most about 60 terms of size 3 and f''' up to 20 of the
// gradient's size (norms of few elements, softmax) they are 1e-3 and 3e-4; the limit is three times their sum.
TEST_P(Gradients, Equal_finite_differences) {
  const GradientCase& c = GetParam();
  Context context(2);
  Graph graph;
  std::vector<Value> inputs;
  std::vector<Tensor> values;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    inputs.push_back(graph.input(format("x{}", i), {DType::F32, c.inputs[i]}, Rate::Step));
    values.push_back(random_tensor(c.inputs[i], 100 + i, c.scale, c.offset));
  }
  const Value y = c.build(inputs);
  const Value weight = graph.input("r", y.type(), Rate::Prompt);
  const Value loss = sum_all(mul(y, weight));
  const Value seed = graph.constant(Tensor::from(std::vector<float>{1}, {1}));
  const std::vector<Value> grads = gradients(loss, seed, inputs, [](Value a, Value b) { return add(a, b); });
  std::vector<Value> outputs{loss};
  outputs.insert(outputs.end(), grads.begin(), grads.end());
  Plan plan(context, graph, outputs);
  Plan forward(context, graph, {loss});
  const Tensor r = random_tensor(y.shape(), 7);
  for (Plan* p : {&plan, &forward}) {
    p->bind(weight, r);
    for (size_t i = 0; i < inputs.size(); ++i) p->bind(inputs[i], values[i]);
  }
  plan.run();
  const auto loss_at = [&](size_t input, int64_t element_index, float delta) {
    Tensor moved = values[input].clone();
    moved.mutable_values<float>()[static_cast<size_t>(element_index)] += delta;
    forward.bind(inputs[input], moved);
    forward.run();
    const double result = static_cast<double>(element(forward.output_copy(0), 0));
    forward.bind(inputs[input], values[input]);
    return result;
  };
  constexpr float kStep = 1e-2f;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor gradient = plan.output_copy(static_cast<int>(i) + 1);
    double scale = 0;
    for (const float g : gradient.values<float>()) scale = std::max(scale, std::abs(static_cast<double>(g)));
    EXPECT_GT(scale, 0) << "input " << i;
    for (int64_t k = 0; k < gradient.count(); ++k) {
      const double difference = (loss_at(i, k, kStep) - loss_at(i, k, -kStep)) / (2.0 * static_cast<double>(kStep));
      EXPECT_NEAR(static_cast<double>(element(gradient, k)), difference, 4e-3 * std::max(scale, 1.0)) << "input " << i << " element " << k;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Gradients, ::testing::ValuesIn(kCases), [](const auto& test) { return std::string(test.param.name); });

// A small network with every fusion: norm + silu, convolution + residual, enlargement + convolution, linear + residual.
TEST(Fusion, Fused_and_plain_plans_agree) {
  Context context(2);
  Graph graph;
  const Value x = graph.input("x", {DType::F32, {2, 6, 5, 8}}, Rate::Step);
  const Value gamma = graph.constant(random_tensor({8}, 1, 0.2f, 1)), beta = graph.constant(random_tensor({8}, 2));
  const Value kernel = graph.constant(random_tensor({8, 8, 3, 3}, 3, 0.2f)), bias = graph.constant(random_tensor({8}, 4));
  const Value matrix = graph.constant(random_tensor({8, 8}, 5, 0.3f));
  Value h = silu(group_norm(x, gamma, beta, 4, 1e-5f));
  h = add(conv2d(h, kernel, bias, kSame), x);
  h = conv2d(upsample_nearest_2x(h), kernel, bias, kSame);
  h = add(h, linear(h, matrix, bias));
  Plan fused(context, graph, {h}), plain(context, graph, {h}, {.fuse = false});
  const Tensor input = random_tensor({2, 6, 5, 8}, 6);
  fused.bind(x, input);
  plain.bind(x, input);
  fused.run();
  plain.run();
  EXPECT_EQ(plain.nodes().size() - fused.nodes().size(), 4u);
  const Tensor a = fused.output_copy(0), b = plain.output_copy(0);
  // The same sums in another order: K = 72 terms and two layers, eps · sqrt(K) · 2 of the largest value, doubled.
  float largest = 0;
  for (const float v : b.values<float>()) largest = std::max(largest, std::abs(v));
  const float limit = 4 * 0x1p-23f * std::sqrt(72.0f) * largest;
  for (int64_t i = 0; i < a.count(); ++i) EXPECT_NEAR(element(a, i), element(b, i), limit) << i;
}

TEST(Shapes, Misfits_are_errors_that_name_op_and_shapes) {
  Graph graph;
  const Value x = graph.input("x", {DType::F32, {2, 4, 4, 3}}, Rate::Step);
  const auto expect_error = [](const std::function<void()>& body, const char* part) {
    try {
      body();
      FAIL() << part;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::InvalidArgument);
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  };
  const Value weight = graph.constant(random_tensor({5, 7}, 1)), kernel = graph.constant(random_tensor({5, 7, 3, 3}, 1));
  expect_error([&] { linear(x, weight); }, "linear: x [2, 4, 4, 3]");
  expect_error([&] { conv2d(x, kernel, {}, kSame); }, "conv2d");
  expect_error([&] { add(x, weight); }, "add: shapes");
  expect_error([&] { attention(reshape(x, {2, 16, 3}), reshape(x, {2, 16, 3}), reshape(x, {2, 16, 3}), {.heads = 2}); }, "attention");
}

}  // namespace
}  // namespace nibble::ops
