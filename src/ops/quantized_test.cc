// Quantized layers against the oracle of quantized_oracle.h, in every mode and geometry, and against themselves: fused, split
// over threads, on every instruction set.
#include <gtest/gtest.h>

#include "graph/plan.h"
#include "ops/basic.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/quantized_oracle.h"

namespace nibble::ops {
namespace {

constexpr float kSiluShift = 0.2734375f;

// After SiLU where the layer is shifted, so that the shift does what it is for.
std::vector<float> random_input(const RandomLayer& l, const Shape& shape, uint32_t seed = 11) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x;
  for (int64_t i = 0; i < shape.count(); ++i) {
    const float v = normal(random);
    x.push_back(l.c.shift > 0 ? v / (1 + std::exp(-v)) : v);
  }
  return x;
}

std::vector<float> values_of(const Tensor& t) { return {t.values<float>().begin(), t.values<float>().end()}; }

struct RunOptions {
  bool fuse = true;
  bool residual = false;  // adds cos of the output's index
  DType dtype = DType::F32;
};

float residual_at(int64_t i) { return std::cos(static_cast<float>(i)); }

std::vector<float> run(Context& context, const RandomLayer& l, const std::vector<float>& x, const Shape& shape, RunOptions options = {}) {
  Graph graph;
  const Value in = graph.input("x", {options.dtype, shape}, Rate::Step);
  Value y = l.record(l.c.upsample == 2 ? upsample_nearest_2x(in) : in), other;
  if (options.residual) {
    other = graph.input("residual", y.type(), Rate::Step);
    y = add(scale(other, 0.5f), y);
  }
  Plan plan(context, graph, {y}, {.fuse = options.fuse});
  plan.bind(in, Tensor::from(x, shape).to(options.dtype));
  if (options.residual) {
    std::vector<float> r;
    for (int64_t i = 0; i < other.shape().count(); ++i) r.push_back(2 * residual_at(i));
    plan.bind(other, Tensor::from(r, other.shape()).to(options.dtype));
  }
  plan.run();
  return values_of(plan.output_copy(0));
}

void expect_oracle(const RandomLayer& l, const Shape& shape) {
  const std::vector<float> x = random_input(l, shape);
  const LayerOracle oracle(l, x, shape);
  Context context(2);
  const std::vector<float> y = run(context, l, x, shape);
  ASSERT_EQ(static_cast<int64_t>(y.size()), oracle.rows() * l.c.shape.n) << l.c.text();
  const bool exact = l.c.rank == 0 && l.c.activation != ActivationKind::Float;
  for (int64_t i = 0; i < static_cast<int64_t>(y.size()); ++i) {
    const int64_t m = i / l.c.shape.n, n = i % l.c.shape.n;
    const float got = y[static_cast<size_t>(i)];
    const auto [want, size] = oracle.value(m, n);
    ASSERT_NEAR(static_cast<double>(got), want, oracle.tolerance(size)) << l.c.text() << " row " << m << " channel " << n;
    if (exact) {
      ASSERT_EQ(got, oracle.bits(m, n)) << l.c.text() << " row " << m << " channel " << n;
    }
  }
}

struct Mode {
  WeightKind weights;
  int64_t group;
  ActivationKind activation;
  float shift;
};

std::vector<Mode> modes() {
  std::vector<Mode> all;
  for (const ActivationKind a : {ActivationKind::Float, ActivationKind::Int8}) all.push_back({WeightKind::Int8, 64, a, 0});
  for (const int64_t group : {32, 64, 128}) {
    for (const ActivationKind a : {ActivationKind::Float, ActivationKind::Int8, ActivationKind::Int4}) all.push_back({WeightKind::Int4, group, a, 0});
    all.push_back({WeightKind::Int4, group, ActivationKind::Int4, kSiluShift});
  }
  return all;
}

std::vector<LayerCase> linear_cases(int64_t n, int64_t k) {
  std::vector<LayerCase> all;
  for (const Mode& mode : modes())
    for (const int64_t rank : {0, 16, 32})
      for (const bool smoothed : {false, true})
        for (const bool bias : {false, true})
          all.push_back({{n, 1, k, mode.weights, mode.group}, mode.activation, rank, smoothed, mode.shift, bias});
  return all;
}

LayerCase as_conv(LayerCase c, int64_t kernel, const Conv2dOptions& options, int64_t upsample = 1) {
  c.conv = true;
  c.kernel = kernel, c.shape.taps = kernel * kernel;
  c.options = options, c.upsample = upsample;
  return c;
}

TEST(QuantizedLinear, Equals_the_sum_over_executed_weight_and_quantized_activations) {
  for (const LayerCase& c : linear_cases(37, 200)) ASSERT_NO_FATAL_FAILURE(expect_oracle(RandomLayer(c), {2, 9, 200}));
}

TEST(QuantizedConv2d, Equals_the_sum_over_executed_weight_and_quantized_activations) {
  for (const LayerCase& c : linear_cases(20, 72))
    ASSERT_NO_FATAL_FAILURE(expect_oracle(RandomLayer(as_conv(c, 3, {1, 1, 1, 1, 1})), {2, 4, 5, 72}));
}

TEST(QuantizedConv2d, Holds_for_every_geometry) {
  struct Geometry {
    int64_t kernel;
    Conv2dOptions options;
    int64_t upsample;
  };
  for (const Geometry& g : {Geometry{3, {2, 1, 1, 1, 1}, 1}, {3, {2, 0, 0, 1, 1}, 1}, {3, {1, 1, 1, 1, 1}, 2}, {1, {1, 0, 0, 0, 0}, 1},
                            {1, {2, 0, 0, 0, 0}, 1}, {1, {1, 1, 1, 1, 1}, 1}, {5, {1, 2, 2, 2, 2}, 1}})
    for (const Mode& mode : modes())
      for (const int64_t rank : {0, 16}) {
        const LayerCase c{{19, 1, 40, mode.weights, mode.group}, mode.activation, rank, true, mode.shift, true};
        ASSERT_NO_FATAL_FAILURE(expect_oracle(RandomLayer(as_conv(c, g.kernel, g.options, g.upsample)), {2, 6, 4, 40}))
            << "kernel " << g.kernel << " stride " << g.options.stride << " pad " << g.options.pad_top << " upsample " << g.upsample;
      }
}

// A case of every mode with everything on, as linear layer and as convolution, and its input.
struct Sample {
  RandomLayer layer;
  Shape shape;
  std::vector<float> x;
};

std::vector<Sample> samples(int64_t rank) {
  std::vector<Sample> all;
  const auto take = [&all](const LayerCase& c, const Shape& shape) {
    RandomLayer layer(c);
    std::vector<float> x = random_input(layer, shape);
    all.push_back({std::move(layer), shape, std::move(x)});
  };
  for (const Mode& mode : modes()) {
    const LayerCase c{{40, 1, 72, mode.weights, mode.group}, mode.activation, rank, true, mode.shift, true};
    take(c, {3, 7, 72});
    take(as_conv(c, 1, {}), {3, 4, 3, 72});
    take(as_conv(c, 3, {1, 1, 1, 1, 1}), {3, 4, 3, 72});
    take(as_conv(c, 3, {1, 1, 1, 1, 1}, 2), {3, 4, 3, 72});
  }
  return all;
}

TEST(Quantized, Threads_and_batches_change_no_bit) {
  for (const int64_t rank : {0, 16})
    for (const Sample& s : samples(rank)) {
      Context one(1), two(2), five(5);
      const std::vector<float> y = run(one, s.layer, s.x, s.shape);
      EXPECT_EQ(y, run(two, s.layer, s.x, s.shape)) << s.layer.c.text();
      EXPECT_EQ(y, run(five, s.layer, s.x, s.shape)) << s.layer.c.text();
      Shape single = s.shape;
      single[0] = 1;
      const auto part = [](const std::vector<float>& v, size_t i) {
        return std::vector<float>(v.begin() + static_cast<int64_t>(i * v.size() / 3), v.begin() + static_cast<int64_t>((i + 1) * v.size() / 3));
      };
      for (size_t i = 0; i < 3; ++i) EXPECT_EQ(part(y, i), run(two, s.layer, part(s.x, i), single)) << s.layer.c.text() << " item " << i;
    }
}

// The epilogue adds the residual after the bias as the separate op does, so only the place of the branch of a Float layer, which is
// added last, tells a fused plan from a plain one.
TEST(Quantized, Fused_and_plain_plans_agree) {
  for (const int64_t rank : {0, 16})
    for (const Sample& s : samples(rank)) {
      Context context(2);
      const std::vector<float> fused = run(context, s.layer, s.x, s.shape, {.residual = true});
      const std::vector<float> plain = run(context, s.layer, s.x, s.shape, {.fuse = false, .residual = true});
      const LayerOracle oracle(s.layer, s.x, s.shape);
      ASSERT_EQ(fused.size(), plain.size());
      for (size_t i = 0; i < fused.size(); ++i) {
        const int64_t m = static_cast<int64_t>(i) / 40, n = static_cast<int64_t>(i) % 40;
        const auto [want, size] = oracle.value(m, n);
        const double residual = static_cast<double>(residual_at(static_cast<int64_t>(i)));
        ASSERT_NEAR(static_cast<double>(fused[i]), want + residual, oracle.tolerance(size + std::abs(residual))) << s.layer.c.text();
        if (rank > 0 && s.layer.c.activation == ActivationKind::Float) {
          ASSERT_NEAR(fused[i], plain[i], oracle.tolerance(size + std::abs(residual))) << s.layer.c.text();
        } else {
          ASSERT_EQ(fused[i], plain[i]) << s.layer.c.text();
        }
      }
    }
}

// A group norm, and SiLU, before the layer and the residual after it, as residual blocks have them.
struct NormRun {
  std::vector<float> y;
  size_t ops;
};

NormRun run_after_norm(Context& context, const Sample& s, bool with_silu, float gamma, DType dtype, bool together) {
  Graph graph;
  const Value in = graph.input("x", {dtype, s.shape}, Rate::Step);
  std::vector<float> gammas, betas;
  for (int i = 0; i < 72; ++i) gammas.push_back(gamma * (1 + 0.5f * std::sin(static_cast<float>(i)))), betas.push_back(gamma * std::cos(static_cast<float>(3 * i)));
  Value h = group_norm(in, graph.constant(Tensor::from(gammas, {72})), graph.constant(Tensor::from(betas, {72})), 8, 1e-5f);
  if (with_silu) h = silu(h);
  if (s.layer.c.upsample == 2) h = upsample_nearest_2x(h);
  Value y = s.layer.record(h);
  const Value residual = graph.input("residual", y.type(), Rate::Step);
  y = add(y, residual);
  PlanOptions options;
  const std::string_view last = with_silu ? "silu" : "group_norm";
  if (!together) options.observe = [last](const Node& node) { return node.op && node.op->name() == last; };
  Plan plan(context, graph, {y}, options);
  plan.bind(in, Tensor::from(s.x, s.shape).to(dtype));
  std::vector<float> r;
  for (int64_t i = 0; i < residual.shape().count(); ++i) r.push_back(residual_at(i));
  plan.bind(residual, Tensor::from(r, residual.shape()).to(dtype));
  plan.run();
  return {values_of(plan.output_copy(0)), plan.nodes().size()};
}

// The norm's rows are quantized from the cache instead of memory: the same numbers. With a small gamma every channel's largest magnitude
// is near SiLU's depth, where the extremes of a channel do not give it.
TEST(Quantized, A_group_norm_before_the_layer_is_quantized_as_it_is_made) {
  for (const int64_t rank : {0, 16})
    for (const Sample& s : samples(rank)) {
      if (s.layer.c.activation == ActivationKind::Float) continue;
      for (const bool with_silu : {false, true})
        for (const float gamma : {1.0f, 0.02f}) {
          Context one(1), three(3);
          for (const DType dtype : {DType::F32, DType::BF16}) {
            const NormRun apart = run_after_norm(one, s, with_silu, gamma, dtype, false);
            for (Context* context : {&one, &three}) {
              const NormRun together = run_after_norm(*context, s, with_silu, gamma, dtype, true);
              ASSERT_EQ(together.ops + 1, apart.ops) << s.layer.c.text();
              ASSERT_EQ(together.y, apart.y) << s.layer.c.text() << " gamma " << gamma << " " << to_string(dtype);
            }
          }
        }
    }
}

TEST(Quantized, Every_instruction_set_gives_the_scalar_result) {
  for (const int64_t rank : {0, 16})
    for (const Sample& s : samples(rank)) {
      Context scalar(2, parse_cpu_mask("scalar"));
      const std::vector<float> want = run(scalar, s.layer, s.x, s.shape, {.residual = true});
      const LayerOracle oracle(s.layer, s.x, s.shape);
      for (const CpuMask mask : narrower_masks(detect_cpu())) {
        Context context(2, mask);
        const std::vector<float> got = run(context, s.layer, s.x, s.shape, {.residual = true});
        ASSERT_EQ(got.size(), want.size());
        for (size_t i = 0; i < got.size(); ++i) {
          if (rank == 0 && s.layer.c.activation != ActivationKind::Float) {
            ASSERT_EQ(got[i], want[i]) << s.layer.c.text() << " on " << to_string(mask);
          } else {
            const double size = oracle.value(static_cast<int64_t>(i) / 40, static_cast<int64_t>(i) % 40).second + 1;
            ASSERT_NEAR(got[i], want[i], oracle.tolerance(size)) << s.layer.c.text() << " on " << to_string(mask);
          }
        }
      }
    }
}

// bf16 in and out: h and the result are rounded, 2^-8 of each at most. A Float layer is rounded once more before its branch is added, and
// bf16 dot products round its weights.
TEST(Quantized, Bf16_activations_round_the_same_values) {
  for (const int64_t rank : {0, 16})
    for (Sample& s : samples(rank)) {
      for (float& v : s.x) v = to_float(to_bf16(v));
      Context context(2);
      const std::vector<float> y = run(context, s.layer, s.x, s.shape, {.dtype = DType::BF16});
      const LayerOracle oracle(s.layer, s.x, s.shape);
      const bool floats = s.layer.c.activation == ActivationKind::Float;
      const double unit = floats && rank > 0 ? 0x1p-7 : 0x1p-8;
      const bool weights_rounded = floats && context.cpu.has(Isa::Avx512Bf16);
      for (size_t i = 0; i < y.size(); ++i) {
        const int64_t m = static_cast<int64_t>(i) / 40, n = static_cast<int64_t>(i) % 40;
        const auto [want, size] = oracle.value(m, n);
        const bool exact = rank == 0 && !floats;
        if (exact) {
          ASSERT_EQ(y[i], to_float(to_bf16(oracle.bits(m, n)))) << s.layer.c.text();
        } else {
          ASSERT_NEAR(static_cast<double>(y[i]), want, unit * (std::abs(want) + oracle.branch_size(m, n)) + (weights_rounded ? 0x1p-8 * size : oracle.tolerance(size))) << s.layer.c.text();
        }
      }
    }
}

// W' = W · diag(s) with s powers of two and W' whole numbers: x / s against W' is x against W, whatever the activations' scale.
TEST(Quantized, Smoothing_without_rounding_is_the_plain_product) {
  LayerCase c{{24, 1, 64, WeightKind::Int8}, ActivationKind::Float};
  c.smoothed = true;
  RandomLayer layer(c);
  std::vector<float> plain = executed_weight(layer.weight, Executed::Exact);
  for (size_t k = 0; k < 64; ++k) layer.input_scale[k] = std::ldexp(1.0f, static_cast<int>(k % 7) - 3);
  for (size_t i = 0; i < plain.size(); ++i) plain[i] *= layer.input_scale[i % 64];
  const Shape shape{5, 64};
  const std::vector<float> x = random_input(layer, shape);
  Context context(2);
  Graph graph;
  const Value in = graph.input("x", {DType::F32, shape}, Rate::Step);
  const Value y = linear(in, graph.constant(Tensor::from(plain, {24, 64})), graph.constant(Tensor::from(layer.bias, {24})));
  Plan plan(context, graph, {y});
  plan.bind(in, Tensor::from(x, shape));
  plan.run();
  const std::vector<float> want = values_of(plan.output_copy(0)), got = run(context, layer, x, shape);
  const LayerOracle oracle(layer, x, shape);
  for (size_t i = 0; i < got.size(); ++i) {
    const double size = oracle.value(static_cast<int64_t>(i) / 24, static_cast<int64_t>(i) % 24).second;
    EXPECT_NEAR(got[i], want[i], oracle.tolerance(size));
  }
}

// Inputs whose shifted values are whole steps lose nothing to rounding: with the bias b - W · shift the layer is then W · x + b, at the
// borders of an image too, and its branch reads the raw input.
TEST(Quantized, A_shifted_layer_is_the_unshifted_one_through_its_bias) {
  for (const int64_t rank : {0, 16})
    for (const bool conv : {false, true}) {
      LayerCase c{{24, 1, 64, WeightKind::Int4, 64}, ActivationKind::Int4, rank, false, kSiluShift, true};
      if (conv) c = as_conv(c, 3, {1, 1, 1, 1, 1});
      RandomLayer layer(c);
      const Shape shape = conv ? Shape{1, 4, 5, 64} : Shape{1, 20, 64};
      std::mt19937 random(1);
      std::vector<float> x;
      for (int64_t i = 0; i < shape.count(); ++i) {
        const unsigned step = i % 64 == 0 ? 15 : static_cast<unsigned>(random()) % 16;
        x.push_back(static_cast<float>(step) / 32 - kSiluShift);
      }
      RandomLayer plain = layer;
      plain.c.activation = ActivationKind::Float, plain.c.shift = 0;
      const std::vector<float> w = executed_weight(layer.weight, Executed::Exact);
      for (size_t n = 0; n < 24; ++n) {
        double sum = 0;
        for (size_t i = 0; i < w.size() / 24; ++i) sum += static_cast<double>(w[n * w.size() / 24 + i]);
        layer.bias[n] -= static_cast<float>(sum * static_cast<double>(kSiluShift));
      }
      Context context(2);
      const std::vector<float> got = run(context, layer, x, shape);
      const LayerOracle oracle(plain, x, shape), shifted(layer, x, shape);
      for (size_t i = 0; i < got.size(); ++i) {
        const int64_t m = static_cast<int64_t>(i) / 24, n = static_cast<int64_t>(i) % 24;
        EXPECT_NEAR(static_cast<double>(got[i]), oracle.value(m, n).first, shifted.tolerance(shifted.value(m, n).second)) << c.text();
      }
    }
}

TEST(Quantized, A_branch_of_zeros_changes_no_bit) {
  for (Sample& s : samples(16)) {
    if (s.layer.c.activation == ActivationKind::Float) continue;
    std::fill(s.layer.up.begin(), s.layer.up.end(), 0.0f);
    RandomLayer none = s.layer;
    none.c.rank = 0;
    Context context(2);
    EXPECT_EQ(run(context, s.layer, s.x, s.shape), run(context, none, s.x, s.shape)) << s.layer.c.text();
  }
}

// Runs the quantized op of a plan in scratch memory of the size it asked for and returns whether it stayed inside.
bool stays_in_scratch(Context& context, const Plan& plan) {
  constexpr size_t kGuard = 1 << 16;
  for (const PlannedNode& node : plan.nodes()) {
    if (!node.op || node.op->name() == std::string_view("group_norm")) continue;
    std::vector<Tensor> tensors;
    std::vector<TensorRef> in;
    std::vector<TensorType> types;
    for (const int input : node.inputs) {
      const Node& from = plan.graph().node(plan.nodes()[static_cast<size_t>(input)].id);
      tensors.push_back(from.constant.empty() ? Tensor::zeros(from.type.dtype, from.type.shape) : from.constant);
      in.push_back({const_cast<void*>(tensors.back().data()), from.type});
      types.push_back(from.type);
    }
    const TensorType& type = plan.graph().node(node.id).type;
    Tensor out = Tensor::zeros(type.dtype, type.shape);
    const size_t bytes = node.op->scratch_bytes(context, types, type);
    const std::shared_ptr<void> memory = allocate(bytes + kGuard);
    std::byte* scratch = static_cast<std::byte*>(memory.get());
    std::memset(scratch, 0xa5, bytes + kGuard);
    node.op->run({context, in, {out.mutable_data(), type}, scratch});
    for (size_t i = bytes; i < bytes + kGuard; ++i)
      if (scratch[i] != std::byte{0xa5}) return false;
  }
  return true;
}

// Products of few k keep more panels in a block than those of many: scratch is sized for every product of the op.
TEST(Quantized, Runs_stay_in_the_scratch_memory_they_ask_for) {
  for (const CpuMask mask : narrower_masks(detect_cpu()))
    for (const int64_t k : {72, 520})
      for (const int64_t rank : {0, 16})
        for (const Mode& mode : modes())
          for (const int64_t kernel : {0, 3}) {
            LayerCase c{{40, 1, k, mode.weights, mode.group}, mode.activation, rank, true, mode.shift, true};
            if (kernel > 0) c = as_conv(c, kernel, {1, 1, 1, 1, 1});
            Context context(1, mask);  // the last of several threads would hide what the others write
            Graph graph;
            const Value in = graph.input("x", {DType::F32, {2, 3, 3, k}}, Rate::Step);
            const Tensor zeros = Tensor::zeros(DType::F32, {k});
            const Value y = RandomLayer(c).record(group_norm(in, graph.constant(zeros), graph.constant(zeros), 4, 1e-5f));
            ASSERT_TRUE(stays_in_scratch(context, Plan(context, graph, {y}))) << c.text() << " k " << k << " on " << to_string(mask);
          }
}

TEST(Quantized, Misfits_are_errors_that_name_op_and_shapes) {
  const auto message = [](const LayerCase& c, const Shape& shape) {
    try {
      Graph graph;
      RandomLayer(c).record(graph.input("x", {DType::F32, shape}, Rate::Step));
      return std::string("no error");
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::InvalidArgument);
      return std::string(e.what());
    }
  };
  const LayerCase c{{16, 1, 32, WeightKind::Int8}};
  EXPECT_NE(message(c, {2, 31}).find("linear_int8: input [2, 31]"), std::string::npos) << message(c, {2, 31});
  const LayerCase conv = as_conv(c, 3, {});
  EXPECT_NE(message(conv, {2, 32}).find("conv2d_int8: input [2, 32]"), std::string::npos) << message(conv, {2, 32});
  EXPECT_NE(message(conv, {1, 2, 2, 32}).find("smaller than the kernel"), std::string::npos) << message(conv, {1, 2, 2, 32});
}

}  // namespace
}  // namespace nibble::ops
