// A quantized layer of 20 outputs and 40 inputs: the record, the packed tensors, and one run of what could be bound.
#include "formats/weight_file.h"
#include "fuzz.h"
#include "graph/plan.h"
#include "models/names/named_tensors.h"
#include "nn/layers.h"

using namespace nibble;

namespace {

void use(const std::filesystem::path& path) {
  WeightFile file = open_weights(path);
  std::map<std::string, models::TensorAlias, std::less<>> names;
  for (const TensorInfo& info : file.tensors()) names[info.name] = {info.name};
  const models::NamedTensors tensors(std::move(file), std::move(names));
  tensors.quantized_layers();
  const nn::Linear layer(Scope(models::weight_source(tensors, "fuzz"), nullptr, "layer"), 40, 20, false);
  Context context(1);
  Graph graph;
  const Value x = graph.input("x", {DType::F32, {3, 40}}, Rate::Step);
  Plan plan(context, graph, {layer(x)});
  plan.bind(x, Tensor::zeros(DType::F32, {3, 40}));
  plan.run();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::run(data, size, [](const std::filesystem::path& file) { use(file); });
}
