#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/file.h"
#include "base/random.h"
#include "graph/plan.h"
#include "ops/attention.h"
#include "ops/basic.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "tasks/machine.h"

namespace nibble {
namespace {

constexpr int kRounds = 5;

Tensor noise(const Shape& shape, DType dtype) {
  Tensor t = Tensor::zeros(DType::F32, shape);
  Generator generator(1);
  generator.randn(t.mutable_values<float>());
  return t.to(dtype);
}

struct Measured {
  double seconds;
  GraphCost cost;
};

// Best of a few runs of `build` on an input of this shape.
Measured measure(Context& context, DType dtype, const Shape& shape, const std::function<Value(Value)>& build) {
  Graph graph;
  const Value x = graph.input("x", {dtype, shape}, Rate::Step);
  Plan plan(context, graph, {build(x)}, {.fuse = false});
  const Tensor input = noise(shape, dtype);
  double best = 1e30;
  for (int i = 0; i <= kRounds; ++i) {
    plan.bind(x, input.data(), input.bytes());
    const auto start = std::chrono::steady_clock::now();
    plan.run();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (i > 0) best = std::min(best, took.count());
  }
  return {best, graph_cost(plan, Rate::Step)};
}

// Two sizes give two costs: t = operations · a + weight bytes · b.
WorkCost solve(const Measured& large, const Measured& small, double node) {
  const double o1 = large.cost.operations, w1 = large.cost.weight_bytes, t1 = large.seconds - node;
  const double o2 = small.cost.operations, w2 = small.cost.weight_bytes, t2 = small.seconds - node;
  const double b = std::max(0.0, (t2 - t1 * o2 / o1) / (w2 - w1 * o2 / o1));
  return {std::max(1e-15, (t1 - w1 * b) / o1), b};
}

PrecisionCost measure_precision(Context& context, DType dtype, double node) {
  const Tensor matrix = noise({1280, 1280}, DType::F16), kernel = noise({640, 640, 3, 3}, DType::F16);
  const auto linear = [&](Value x) { return ops::linear(x, x.graph().constant(matrix)); };
  const auto conv = [&](Value x) {
    return ops::conv2d(x, x.graph().constant(kernel), {}, {.pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1});
  };
  PrecisionCost cost;
  cost.by_op["linear"] = solve(measure(context, dtype, {2048, 1280}, linear), measure(context, dtype, {128, 1280}, linear), node);
  cost.by_op["conv2d"] = solve(measure(context, dtype, {1, 32, 32, 640}, conv), measure(context, dtype, {1, 8, 8, 640}, conv), node);
  const auto attention = [](Value x) { return ops::attention(x, x, x, {.heads = 8}); };
  const Measured a = measure(context, dtype, {1, 2048, 320}, attention);
  cost.by_op["attention"] = {(a.seconds - node) / a.cost.operations, 0};
  const Tensor gamma = noise({320}, DType::F32);
  const auto passes = [&](Value x) {
    const Value g = x.graph().constant(gamma);
    return ops::geglu(ops::add(ops::layer_norm(ops::silu(x), g, g, 1e-5f), x));
  };
  const Measured p = measure(context, dtype, {4096, 320}, passes);
  cost.seconds_per_element = p.seconds / p.cost.element_passes;
  return cost;
}

double measure_node(Context& context) {
  constexpr int kNodes = 200;
  const Measured m = measure(context, DType::F32, {4096}, [](Value x) {
    for (int i = 0; i < kNodes; ++i) x = ops::silu(x);
    return x;
  });
  return m.seconds / kNodes;
}

double measure_mapped_byte() {
  const std::filesystem::path file = std::filesystem::temp_directory_path() / format("nibble-map-{}", ::getpid());
  write_file(file, std::string(size_t{64} << 20, 'x'));
  double best = 1e30;
  for (int i = 0; i < 3; ++i) {
    const auto mapped = MappedFile::open(file);
    const auto start = std::chrono::steady_clock::now();
    unsigned sum = 0;
    for (size_t at = 0; at < mapped->bytes().size(); at += 4096) sum += static_cast<unsigned>(mapped->bytes()[at]);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (sum != 0) best = std::min(best, took.count() / static_cast<double>(mapped->bytes().size()));
  }
  std::filesystem::remove(file);
  return best;
}

}  // namespace

MachineProfile measure_machine(Context& context) {
  MachineProfile p;
  p.name = "this machine";
  p.origin = "measured";
  p.threads = context.threads.size();
  p.seconds_per_node = measure_node(context);
  p.precisions["f32"] = measure_precision(context, DType::F32, p.seconds_per_node);
  p.precisions["bf16"] = measure_precision(context, DType::BF16, p.seconds_per_node);
  p.seconds_per_mapped_byte = measure_mapped_byte();
  return p;
}

}  // namespace nibble
