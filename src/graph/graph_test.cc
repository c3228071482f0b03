#include <gtest/gtest.h>

#include <random>

#include "graph/cost.h"
#include "graph/plan.h"
#include "graph/replace.h"
#include "tensor/arena_plan.h"

namespace nibble {
namespace {

// y = x + 1, counting its runs; element-wise and in place like a real op.
class Increment : public Op {
 public:
  explicit Increment(int* runs) : runs_(runs) {}
  const char* name() const override { return "increment"; }
  int in_place_of() const override { return 0; }
  TensorType infer(std::span<const TensorType> in) const override { return in[0]; }
  void run(const RunArgs& args) const override {
    ++*runs_;
    for (int64_t i = 0; i < args.out.type.shape.count(); ++i) args.out.as<float>()[i] = args.in[0].as<float>()[i] + 1;
  }

 private:
  int* runs_;
};

class Sum : public Op {
 public:
  const char* name() const override { return "sum"; }
  TensorType infer(std::span<const TensorType> in) const override { return in[0]; }
  size_t scratch_bytes(const Context&, std::span<const TensorType>, const TensorType&) const override { return 256; }
  void run(const RunArgs& args) const override {
    std::memset(args.scratch, 0xff, 256);  // must not touch anything alive
    for (int64_t i = 0; i < args.out.type.shape.count(); ++i)
      args.out.as<float>()[i] = args.in[0].as<float>()[i] + args.in[1].as<float>()[i];
  }
};

Tensor filled(float value) {
  Tensor t = Tensor::zeros(DType::F32, {16});
  for (float& v : t.mutable_values<float>()) v = value;
  return t;
}

const TensorType kType{DType::F32, {16}};

TEST(Plan, Slow_inputs_are_computed_once_and_survive_fast_runs) {
  Context context(1);
  Graph graph;
  int slow_runs = 0, fast_runs = 0;
  const auto slow = std::make_shared<Increment>(&slow_runs), fast = std::make_shared<Increment>(&fast_runs);
  const Value prompt = graph.input("prompt", kType, Rate::Prompt), step = graph.input("step", kType, Rate::Step);
  const Value keys = graph.record(slow, {graph.record(slow, {prompt})});
  Value x = graph.record(fast, {step});
  for (int i = 0; i < 5; ++i) x = graph.record(fast, {graph.record(std::make_shared<Sum>(), {x, keys})});
  Plan plan(context, graph, {x});
  plan.bind(prompt, filled(10));
  for (int s = 0; s < 3; ++s) {
    plan.bind(step, filled(static_cast<float>(s)));
    plan.run();
    EXPECT_EQ(element(plan.output_copy(0), 3), static_cast<float>(s) + 1 + 5 * (12 + 1));
  }
  EXPECT_EQ(slow_runs, 2);
  EXPECT_EQ(fast_runs, 18);
  plan.bind(prompt, filled(20));
  plan.run();
  EXPECT_EQ(element(plan.output_copy(0), 3), 3 + 5 * (22 + 1));
  EXPECT_EQ(slow_runs, 4);
}

TEST(Plan, A_cancelled_run_can_be_repeated) {
  Context context(1);
  Graph graph;
  int runs = 0;
  const Value x = graph.input("x", kType, Rate::Step);
  const Value y = graph.record(std::make_shared<Increment>(&runs), {x});
  Plan plan(context, graph, {y});
  plan.bind(x, filled(1));
  context.cancel = true;
  EXPECT_THROW(plan.run(), Error);
  EXPECT_EQ(runs, 0);
  context.cancel = false;
  plan.run();
  EXPECT_EQ(element(plan.output_copy(0), 0), 2);
}

// Random graphs: the planned arena gives the numbers of a plan in which nothing shares memory, and is smaller.
TEST(Plan, Memory_reuse_changes_nothing) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Context context(1);
    Graph graph;
    int runs = 0;
    std::vector<Value> values{graph.input("a", kType, Rate::Prompt), graph.input("b", kType, Rate::Step)};
    for (int i = 0; i < 40; ++i) {
      const auto pick = [&] { return values[random() % values.size()]; };
      if (random() % 2 == 0)
        values.push_back(graph.record(std::make_shared<Increment>(&runs), {pick()}));
      else
        values.push_back(graph.record(std::make_shared<Sum>(), {pick(), pick()}));
    }
    const std::vector<Value> outputs{values[values.size() - 1], values[values.size() / 2]};
    Plan shared(context, graph, outputs), apart(context, graph, outputs, {.reuse_memory = false});
    for (Plan* plan : {&shared, &apart}) plan->bind(values[0], filled(0.5f));
    for (int s = 0; s < 2; ++s) {
      for (Plan* plan : {&shared, &apart}) {
        plan->bind(values[1], filled(static_cast<float>(s)));
        plan->run();
      }
      for (int i = 0; i < 2; ++i) EXPECT_EQ(element(shared.output_copy(i), 5), element(apart.output_copy(i), 5));
    }
    EXPECT_LE(shared.arena_bytes(), apart.arena_bytes());
  }
}

TEST(Replace, Another_op_in_the_same_places) {
  Context context(1);
  Graph graph, other;
  int runs = 0, other_runs = 0;
  const auto increment = std::make_shared<Increment>(&runs);
  const Value in = graph.input("in", kType, Rate::Step);
  graph.begin_segment("first");
  Value x = graph.label(graph.record(increment, {in}), "once");
  graph.begin_segment("second");
  x = graph.record(std::make_shared<Sum>(), {graph.record(increment, {x}), graph.constant(filled(5), "five")});
  record_replaced(graph, other, [&](const Op& op) -> std::shared_ptr<const Op> {
    if (op.name() != std::string_view("increment")) return nullptr;
    return std::make_shared<Increment>(&other_runs);
  });
  ASSERT_EQ(graph.size(), other.size());
  EXPECT_EQ(graph.segments(), other.segments());
  for (int id = 0; id < graph.size(); ++id) {
    const Node &a = graph.node(id), &b = other.node(id);
    EXPECT_TRUE(a.inputs == b.inputs && a.type == b.type && a.rate == b.rate && a.segment == b.segment && a.name == b.name);
    EXPECT_EQ(a.op == b.op, a.op != increment);
  }
  Plan plan(context, other, {Value(&other, x.id())});
  plan.bind(in, filled(1));
  plan.run();
  EXPECT_EQ(element(plan.output_copy(0), 3), 8);
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(other_runs, 2);
}

TEST(Arena, Live_buffers_never_overlap_and_the_arena_is_near_its_bound) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<BufferLife> lives;
    for (int i = 0; i < 60; ++i) {
      const int first = static_cast<int>(random() % 50);
      lives.push_back({1 + random() % 5000, first, first + static_cast<int>(random() % 10)});
    }
    const ArenaPlan plan = plan_arena(lives);
    for (size_t i = 0; i < lives.size(); ++i) {
      EXPECT_EQ(plan.offsets[i] % 64, 0u);
      EXPECT_LE(plan.offsets[i] + lives[i].bytes, plan.bytes);
      for (size_t j = 0; j < i; ++j) {
        const bool together = lives[i].first <= lives[j].last && lives[j].first <= lives[i].last;
        const bool apart = plan.offsets[i] + lives[i].bytes <= plan.offsets[j] || plan.offsets[j] + lives[j].bytes <= plan.offsets[i];
        EXPECT_TRUE(!together || apart) << i << " " << j;
      }
    }
    EXPECT_GE(plan.bytes, arena_lower_bound(lives));
    EXPECT_LE(plan.bytes, 2 * arena_lower_bound(lives));
  }
}

TEST(Cost, Sums_the_chosen_phases) {
  Context context(1);
  Graph graph;
  int runs = 0;
  const Value prompt = graph.input("prompt", kType, Rate::Prompt), step = graph.input("step", kType, Rate::Step);
  const Value keys = graph.record(std::make_shared<Increment>(&runs), {prompt});
  const Value out = graph.record(std::make_shared<Sum>(), {step, keys});
  const Plan plan(context, graph, {out});
  EXPECT_EQ(graph_cost(plan, Rate::Model).by_op.size(), 2u);
  const GraphCost fast = graph_cost(plan, Rate::Step);
  EXPECT_EQ(fast.by_op.at("sum").count, 1);
  EXPECT_EQ(fast.activation_bytes, 3 * 64);
}

}  // namespace
}  // namespace nibble
