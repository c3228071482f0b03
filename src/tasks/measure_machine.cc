#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/process.h"
#include "base/random.h"
#include "graph/plan.h"
#include "image/codec.h"
#include "ops/attention.h"
#include "ops/basic.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "tasks/machine.h"
#include "tasks/sample_layers.h"
#include "tasks/wall_seconds.h"

namespace nibble {
namespace {

constexpr int kRounds = 8;
constexpr int kSmallLayers = 40;  // of a chain that measures starting

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

// Best of `rounds` runs of `build` on an input of this shape.
Measured measure(Context& context, DType dtype, const Shape& shape, const std::function<Value(Value)>& build, int rounds = kRounds) {
  Graph graph;
  const Value x = graph.input("x", {dtype, shape}, Rate::Step);
  Plan plan(context, graph, {build(x)});
  const Tensor input = noise(shape, dtype);
  double best = 1e30;
  for (int i = 0; i <= rounds; ++i) {
    plan.bind(x, input.data(), input.bytes());
    const double took = wall_seconds([&] { plan.run(); });
    if (i > 0) best = std::min(best, took);
  }
  return {best, graph_cost(plan, Rate::Step)};
}

// Two sizes give two costs: t = operations · a + weight bytes · b.
WorkCost solve(const Measured& large, const Measured& small) {
  const double o1 = large.cost.operations, w1 = large.cost.weight_bytes, t1 = large.seconds;
  const double o2 = small.cost.operations, w2 = small.cost.weight_bytes, t2 = small.seconds;
  const double b = std::max(0.0, (t2 - t1 * o2 / o1) / (w2 - w1 * o2 / o1));
  return {std::max(1e-15, (t1 - w1 * b) / o1), b, 0};
}

// `count` copies, so that a chain of layers finds its weights in memory, not in a cache, as a network does.
std::vector<Tensor> copies(const Tensor& tensor, int count) {
  std::vector<Tensor> out;
  for (int i = 0; i < count; ++i) out.push_back(tensor.clone());
  return out;
}

Value conv3x3(Value x, const Tensor& kernel) {
  return ops::conv2d(x, x.graph().constant(kernel), {}, {.pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1});
}

PrecisionCost measure_precision(Context& context, DType dtype) {
  const std::vector<Tensor> matrices = copies(noise({1280, 1280}, DType::F16), 32), kernels = copies(noise({640, 640, 3, 3}, DType::F16), 14);
  const auto linears = [&](Value x) {
    for (const Tensor& matrix : matrices) x = ops::linear(x, x.graph().constant(matrix));
    return x;
  };
  const auto convs = [&](Value x) {
    for (const Tensor& kernel : kernels) x = conv3x3(x, kernel);
    return x;
  };
  const auto linear = [&](Value x) { return ops::linear(x, x.graph().constant(matrices[0])); };
  const auto conv = [&](Value x) { return conv3x3(x, kernels[0]); };
  PrecisionCost cost;
  cost.by_op["linear"] = solve(measure(context, dtype, {2048, 1280}, linear), measure(context, dtype, {128, 1280}, linears));
  cost.by_op["conv2d"] = solve(measure(context, dtype, {1, 32, 32, 640}, conv), measure(context, dtype, {1, 8, 8, 640}, convs));
  const auto attention = [](Value x) { return ops::attention(x, x, x, {.heads = 8}); };
  const Measured a = measure(context, dtype, {1, 2048, 320}, attention);
  cost.by_op["attention"] = {a.seconds / a.cost.operations, 0, 0};
  const Tensor gamma = noise({320}, DType::F32);
  const auto passes = [&](Value x) {
    const Value g = x.graph().constant(gamma);
    return ops::geglu(ops::add(ops::layer_norm(ops::silu(ops::group_norm(x, g, g, 32, 1e-5f)), g, g, 1e-5f), x));
  };
  const Measured p = measure(context, dtype, {1, 64, 64, 320}, passes);
  cost.seconds_per_element = p.seconds / p.cost.element_passes;
  return cost;
}

// What a small layer takes beyond its operations and its weights, from a chain of `count` of them.
void measure_start(Context& context, DType dtype, WorkCost& cost, double seconds_per_element, const Shape& shape,
                   const std::function<Value(Value)>& chain, int count) {
  constexpr int kManyRounds = 60;
  const Measured m = measure(context, dtype, shape, chain, kManyRounds);
  const double known = m.cost.operations * cost.seconds_per_operation + m.cost.weight_bytes * cost.seconds_per_weight_byte +
                       m.cost.element_passes * seconds_per_element;
  cost.seconds_per_op = std::max(1e-6, (m.seconds - known) / count);
}

void measure_quantized(Context& context, DType dtype, PrecisionCost& cost) {
  struct Row {
    const char* op;
    ActivationKind activation;
  };
  for (const Row& row : {Row{"_int8", ActivationKind::Int8}, Row{"_int4", ActivationKind::Int4}, Row{"_w16", ActivationKind::Float}}) {
    const auto layers = [&row](int64_t side, int64_t kernel, int count) {
      return SampleLayers({side, kernel * kernel, side, WeightKind::Int4, kActivationGroup}, kernel, row.activation, 0,
                          count);
    };
    constexpr int kFewRounds = 5;
    const auto work = [&](const Shape& shape, const SampleLayers& l) {
      Measured m = measure(context, dtype, shape, l, kFewRounds);
      m.seconds -= m.cost.element_passes * cost.seconds_per_element;  // predicted beside the products
      return m;
    };
    WorkCost& linear = cost.by_op[std::string("linear") + row.op];
    WorkCost& conv = cost.by_op[std::string("conv2d") + row.op];
    linear = solve(work({2048, 1280}, layers(1280, 1, 1)), work({128, 1280}, layers(1280, 1, 24)));
    conv = solve(work({1, 32, 32, 640}, layers(640, 3, 1)), work({1, 8, 8, 640}, layers(640, 3, 10)));
    measure_start(context, dtype, linear, cost.seconds_per_element, {128, 256}, layers(256, 1, kSmallLayers), kSmallLayers);
    measure_start(context, dtype, conv, cost.seconds_per_element, {2, 8, 8, 128}, layers(128, 3, kSmallLayers), kSmallLayers);
  }
}

void measure_starts(Context& context, DType dtype, PrecisionCost& cost) {
  const std::vector<Tensor> kernels = copies(noise({128, 128, 3, 3}, DType::BF16), kSmallLayers);
  const std::vector<Tensor> matrices = copies(noise({256, 256}, DType::BF16), kSmallLayers);
  measure_start(context, dtype, cost.by_op["conv2d"], cost.seconds_per_element, {2, 8, 8, 128}, [&](Value x) {
    for (const Tensor& kernel : kernels) x = conv3x3(x, kernel);
    return x;
  }, kSmallLayers);
  measure_start(context, dtype, cost.by_op["linear"], cost.seconds_per_element, {128, 256}, [&](Value x) {
    for (const Tensor& matrix : matrices) x = ops::linear(x, x.graph().constant(matrix));
    return x;
  }, kSmallLayers);
  measure_start(context, dtype, cost.by_op["attention"], cost.seconds_per_element, {2, 64, 128}, [](Value x) {
    for (int i = 0; i < kSmallLayers; ++i) x = ops::attention(x, x, x, {.heads = 2});
    return x;
  }, kSmallLayers);
}

double measure_node(Context& context) {
  constexpr int kNodes = 200, kManyRounds = 60;
  const Measured m = measure(context, DType::F32, {4096}, [](Value x) {
    for (int i = 0; i < kNodes; ++i) x = ops::silu(x);
    return x;
  }, kManyRounds);
  return m.seconds / kNodes;
}

double measure_fresh_byte() {
  constexpr size_t kBytes = size_t{64} << 20;
  double best = 1e30;
  for (int i = 0; i < 3; ++i) {
    const std::shared_ptr<void> memory = allocate(kBytes);
    const double took = wall_seconds([&] {
      for (size_t at = 0; at < kBytes; at += 4096) static_cast<volatile char*>(memory.get())[at] = 1;
    });
    best = std::min(best, took / static_cast<double>(kBytes));
  }
  return best;
}

// A picture with smooth parts and noise, as drawn ones are.
double measure_picture_byte() {
  Image image(256, 256, 3);
  Generator generator(1);
  std::vector<float> noise(image.pixels.size());
  generator.randn(noise);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(64 + i / 2048 % 128 + static_cast<size_t>(std::abs(noise[i]) * 2));
  double best = 1e30;
  for (int i = 0; i < 3; ++i) {
    std::string png;
    const double took = wall_seconds([&] { png = encode_png(image); });
    if (!png.empty()) best = std::min(best, took / static_cast<double>(image.pixels.size()));
  }
  return best;
}

double measure_mapped_byte() {
  const std::filesystem::path file = std::filesystem::temp_directory_path() / format("nibble-map-{}", ::getpid());
  write_file(file, std::string(size_t{64} << 20, 'x'));
  double best = 1e30;
  for (int i = 0; i < 3; ++i) {
    const auto mapped = MappedFile::open(file);
    unsigned sum = 0;
    const double took = wall_seconds([&] {
      for (size_t at = 0; at < mapped->bytes().size(); at += 4096) sum += static_cast<unsigned>(mapped->bytes()[at]);
    });
    if (sum != 0) best = std::min(best, took / static_cast<double>(mapped->bytes().size()));
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
  for (const DType dtype : {DType::F32, DType::BF16}) {
    PrecisionCost& cost = p.precisions[to_string(dtype)];
    cost = measure_precision(context, dtype);
    measure_starts(context, dtype, cost);
    measure_quantized(context, dtype, cost);
  }
  p.seconds_per_node = measure_node(context);
  p.seconds_per_mapped_byte = measure_mapped_byte();
  p.seconds_per_fresh_byte = measure_fresh_byte();
  p.seconds_per_picture_byte = measure_picture_byte();
  reset_peak_resident();  // gives freed heap back: an estimate in this process counts what is resident
  return p;
}

}  // namespace nibble
