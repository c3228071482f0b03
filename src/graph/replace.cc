#include "graph/replace.h"

#include "base/check.h"

namespace nibble {

void record_replaced(const Graph& from, Graph& to, const std::function<std::shared_ptr<const Op>(const Op&)>& replace) {
  NIBBLE_CHECK(to.size() == 0, "a graph of {} nodes is not empty", to.size());
  for (int id = 0; id < from.size(); ++id) {
    const Node& node = from.node(id);
    while (static_cast<int>(to.segments().size()) - 1 < node.segment)
      to.begin_segment(from.segments()[to.segments().size()]);
    if (node.is_input) {
      to.input(node.name, node.type, node.rate);
    } else if (!node.op) {
      to.constant(node.constant, node.name);
    } else {
      std::vector<Value> inputs;
      for (const int input : node.inputs) inputs.emplace_back(&to, input);
      const std::shared_ptr<const Op> other = replace(*node.op);
      to.label(to.record(other ? other : node.op, inputs), node.name);
    }
  }
}

}  // namespace nibble
