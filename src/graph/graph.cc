#include "graph/graph.h"

#include <algorithm>

#include "base/check.h"

namespace nibble {

const TensorType& Value::type() const { return graph_->node(id_).type; }

OpCost Op::cost(std::span<const TensorType>, const TensorType& out) const {
  return {0, static_cast<double>(out.shape.count())};
}

bool Op::add_inner_cost(GraphCost&) const { return false; }

std::vector<Value> Op::gradient(const GradientArgs&) const {
  fail(ErrorCode::Unsupported, "op {}: has no gradient", name());
}

Fusion Op::fuse_next(const Op&, std::span<const TensorType>, std::span<const TensorType>, int) const { return {}; }
Fusion Op::fuse_previous(const Op&, std::span<const TensorType>, int) const { return {}; }

Value Graph::push(Node node) {
  node.segment = static_cast<int>(segments_.size()) - 1;
  nodes_.push_back(std::move(node));
  return {this, size() - 1};
}

Value Graph::input(const std::string& name, const TensorType& type, Rate rate) {
  Node node;
  node.type = type;
  node.rate = rate;
  node.name = name;
  node.is_input = true;
  return push(std::move(node));
}

Value Graph::constant(const Tensor& tensor, const std::string& name) {
  Node node;
  node.type = {tensor.dtype(), tensor.shape()};
  node.name = name;
  node.constant = tensor;
  return push(std::move(node));
}

Value Graph::record(std::shared_ptr<const Op> op, const std::vector<Value>& inputs) {
  Node node;
  std::vector<TensorType> types;
  for (const Value& value : inputs) {
    NIBBLE_CHECK(value && &value.graph() == this, "op {} takes a value of another graph", op->name());
    node.inputs.push_back(value.id());
    types.push_back(value.type());
    node.rate = std::max(node.rate, this->node(value.id()).rate);
  }
  node.type = op->infer(types);
  node.op = std::move(op);
  return push(std::move(node));
}

Value Graph::label(Value value, const std::string& name) {
  nodes_[static_cast<size_t>(value.id())].name = name;
  return value;
}

void Graph::begin_segment(const std::string& name) { segments_.push_back(name); }

}  // namespace nibble
