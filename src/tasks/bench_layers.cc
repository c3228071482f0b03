#include "tasks/bench_layers.h"

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "graph/plan.h"
#include "kernels/bench.h"
#include "tasks/sample_layers.h"
#include "tasks/wall_seconds.h"

namespace nibble {
namespace {

constexpr int kRounds = 4;       // at least
constexpr double kSeconds = 0.6;  // of rounds

struct Form {
  const char* name;
  WeightKind weights;
  ActivationKind activations;
  int64_t rank;
};
constexpr Form kForms[] = {{"w8a8", WeightKind::Int8, ActivationKind::Int8, 0},
                           {"w4a8", WeightKind::Int4, ActivationKind::Int8, 0},
                           {"w4a8, rank 32", WeightKind::Int4, ActivationKind::Int8, 32},
                           {"w4a4, rank 32", WeightKind::Int4, ActivationKind::Int4, 32}};

struct LayerShape {
  int64_t m, n, k, side;  // side > 0: a 3x3 convolution on a side x side image
  size_t forms;           // the first so many; the decoder's layers have int8 weights
};
constexpr LayerShape kLayers[] = {{4096, 1280, 1280, 0, 4},  {1024, 5120, 1280, 0, 4}, {1024, 1280, 5120, 0, 4},
                                  {4096, 640, 640, 0, 4},    {4096, 320, 1280, 0, 4},  {4096, 320, 320, 64, 4},
                                  {1024, 640, 640, 32, 4},   {256, 1280, 1280, 16, 4}, {65536, 256, 256, 256, 1},
                                  {262144, 128, 128, 512, 1}};

kernels::BenchRow bench_layer(Context& context, const LayerShape& s, const Form& form) {
  const int64_t kernel = s.side > 0 ? 3 : 1;
  const SampleLayers layer({s.n, kernel * kernel, s.k, form.weights, kActivationGroup}, kernel, form.activations,
                           form.rank, 1);
  const Shape shape = s.side > 0 ? Shape{1, s.side, s.side, s.k} : Shape{s.m, s.k};
  Graph graph;
  const Value x = graph.input("x", {DType::BF16, shape}, Rate::Step);
  Plan plan(context, graph, {layer(x)});
  Tensor noise = Tensor::zeros(DType::F32, shape);
  Generator(1).randn(noise.mutable_values<float>());
  const Tensor input = noise.to(DType::BF16);
  double best = 1e30, spent = 0;
  for (int i = 0; i <= kRounds || spent < kSeconds; ++i) {
    plan.bind(x, input);  // anew: what depends on unchanged inputs is not computed again
    const double took = wall_seconds([&] { plan.run(); });
    spent += took;
    if (i > 0) best = std::min(best, took);
  }
  const std::string what = s.side > 0 ? format("conv 3x3 {}x{} {} -> {}", s.side, s.side, s.k, s.n)
                                      : format("M {} N {} K {}", s.m, s.n, s.k);
  const double work = 2.0 * static_cast<double>(s.m * s.n * s.k * kernel * kernel);
  return {format("layer {}", form.name), what, work, best, 0};
}

}  // namespace

std::vector<kernels::BenchRow> bench_layers(Context& context) {
  std::vector<kernels::BenchRow> rows;
  for (const LayerShape& s : kLayers)
    for (size_t i = 0; i < s.forms; ++i) {
      context.check_cancelled();
      rows.push_back(kernels::beside_peak(context.cpu, kernels::PeakKind::Int8Dot,
                                          [&] { return bench_layer(context, s, kForms[i]); }, context.threads.size()));
    }
  return rows;
}

}  // namespace nibble
