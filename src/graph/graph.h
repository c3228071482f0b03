// A recorded network: nodes in the order they were written, each an op over earlier nodes. Model code records a graph once
// per shape through `Value` handles; plan.h runs it, gradient.h differentiates it, cost.h measures it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "graph/op.h"
#include "tensor/tensor.h"

namespace nibble {

class Graph;

// How often an input changes, slowest first. A node's rate is the fastest of its inputs'; slower nodes are computed once and
// kept: constants of the model, text keys and values once per prompt, time embeddings once per step.
enum class Rate : uint8_t { Model, Prompt, Step, Branch };

// A handle on one node's result; cheap to copy, valid as long as its graph.
class Value {
 public:
  Value() = default;
  Value(Graph* graph, int id) : graph_(graph), id_(id) {}
  explicit operator bool() const { return graph_ != nullptr; }
  Graph& graph() const { return *graph_; }
  int id() const { return id_; }
  const TensorType& type() const;
  const Shape& shape() const { return type().shape; }
  int64_t dim(int axis) const { return type().shape[axis]; }
  DType dtype() const { return type().dtype; }

 private:
  Graph* graph_ = nullptr;
  int id_ = -1;
};

struct Node {
  std::shared_ptr<const Op> op;  // null for inputs and constants
  std::vector<int> inputs;
  TensorType type;
  Rate rate = Rate::Model;
  int segment = 0;
  std::string name;   // the module path whose output this is, or the name of an input or parameter
  Tensor constant;    // constants only
  bool is_input = false;
};

class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  Value input(const std::string& name, const TensorType& type, Rate rate);
  Value constant(const Tensor& tensor, const std::string& name = {});
  Value record(std::shared_ptr<const Op> op, const std::vector<Value>& inputs);

  // Names the module output for observers and error messages; returns the value.
  Value label(Value value, const std::string& name);

  // Starts a segment (a block of the network): the seam for cancelling, replay and streaming.
  void begin_segment(const std::string& name);
  const std::vector<std::string>& segments() const { return segments_; }

  const Node& node(int id) const { return nodes_[static_cast<size_t>(id)]; }
  int size() const { return static_cast<int>(nodes_.size()); }

 private:
  Value push(Node node);
  std::deque<Node> nodes_;  // what a value says of itself stays where it is while more is recorded
  std::vector<std::string> segments_{""};
};

}  // namespace nibble
