#include "graph/cost.h"

#include <algorithm>

namespace nibble {

void add_cost(GraphCost& total, const GraphCost& part, double times) {
  for (const auto& [op, kind] : part.by_op) {
    KindCost& to = total.by_op[op];
    to.count += static_cast<int64_t>(times) * kind.count;
    to.operations += times * kind.operations;
    to.element_passes += times * kind.element_passes;
    to.weight_bytes += times * kind.weight_bytes;
    to.activation_bytes += times * kind.activation_bytes;
  }
  total.operations += times * part.operations;
  total.weight_bytes += times * part.weight_bytes;
  total.activation_bytes += times * part.activation_bytes;
  total.element_passes += times * part.element_passes;
  total.largest_activation_bytes = std::max(total.largest_activation_bytes, part.largest_activation_bytes);
}

GraphCost graph_cost(const Plan& plan, Rate slowest, Rate fastest) {
  GraphCost total;
  const Graph& graph = plan.graph();
  for (int i = 0; i < static_cast<int>(plan.nodes().size()); ++i) {
    const PlannedNode& node = plan.nodes()[static_cast<size_t>(i)];
    if (!node.op || node.op->view_of() >= 0 || plan.phase(i) < slowest || plan.phase(i) > fastest) continue;
    if (node.op->add_inner_cost(total)) continue;
    const TensorType& type = graph.node(node.id).type;
    KindCost& kind = total.by_op[node.op->name()];
    std::vector<TensorType> types;
    double weights = 0, activations = static_cast<double>(type.bytes());
    for (int input : node.inputs) {
      const Node& from = graph.node(plan.nodes()[static_cast<size_t>(input)].id);
      types.push_back(from.type);
      (from.constant.empty() ? activations : weights) += static_cast<double>(from.type.bytes());
    }
    const OpCost cost = node.op->cost(types, type);
    ++kind.count;
    kind.operations += cost.operations;
    kind.element_passes += cost.element_passes;
    kind.weight_bytes += weights;
    kind.activation_bytes += activations;
    total.operations += cost.operations;
    total.element_passes += cost.element_passes;
    total.weight_bytes += weights;
    total.activation_bytes += activations;
    total.largest_activation_bytes = std::max(total.largest_activation_bytes, static_cast<double>(type.bytes()));
  }
  return total;
}

}  // namespace nibble
