#include "graph/gradient.h"

#include "base/check.h"

namespace nibble {

std::vector<Value> gradients(Value loss, Value seed, const std::vector<Value>& wrt,
                             const std::function<Value(Value, Value)>& sum) {
  Graph& graph = loss.graph();
  const auto at = [](int id) { return static_cast<size_t>(id); };
  const int count = loss.id() + 1;
  std::vector<bool> depends(at(count), false);
  for (const Value& value : wrt)
    if (value.id() < count) depends[at(value.id())] = true;
  for (int id = 0; id < count; ++id)
    for (int input : graph.node(id).inputs)
      if (depends[at(input)]) depends[at(id)] = true;

  std::vector<Value> grads(at(count));
  grads[at(loss.id())] = seed;
  for (int id = loss.id(); id >= 0; --id) {
    if (!grads[at(id)] || !depends[at(id)] || !graph.node(id).op) continue;
    const std::shared_ptr<const Op> op = graph.node(id).op;
    const std::vector<int> input_ids = graph.node(id).inputs;
    std::vector<Value> inputs;
    std::unique_ptr<bool[]> wanted(new bool[input_ids.size()]);
    for (size_t i = 0; i < input_ids.size(); ++i) {
      inputs.emplace_back(&graph, input_ids[i]);
      wanted[i] = depends[at(input_ids[i])];
    }
    const Value out(&graph, id), grad = grads[at(id)];
    const std::vector<Value> result = op->gradient({inputs, out, grad, {wanted.get(), input_ids.size()}});
    NIBBLE_CHECK(result.size() == inputs.size(), "gradient of {}", op->name());
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!wanted[i]) continue;
      NIBBLE_CHECK(result[i] && result[i].shape() == inputs[i].shape(), "gradient of {} for input {}", op->name(), i);
      Value& total = grads[at(input_ids[i])];
      total = total ? sum(total, result[i]) : result[i];
    }
  }
  std::vector<Value> out;
  for (const Value& value : wrt) out.push_back(value.id() < count ? grads[at(value.id())] : Value());
  return out;
}

}  // namespace nibble
