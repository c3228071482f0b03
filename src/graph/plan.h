// A graph made ready to run: order, lifetimes, one arena whose size is known before the first step. Running allocates
// nothing. Inputs are bound by copy; a run recomputes only what is at least as fast as the slowest input bound since.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/rewrite.h"

namespace nibble {

struct PlanOptions {
  bool fuse = true;
  bool reuse_memory = true;  // false: every buffer has its own place (tests, debugging)
  std::function<bool(const Node&)> observe;  // nodes whose values an observer wants; they are not fused away
};

class Plan {
 public:
  // `outputs` stay readable after each run.
  Plan(Context& context, const Graph& graph, const std::vector<Value>& outputs, PlanOptions options = {});

  size_t arena_bytes() const { return arena_bytes_; }

  // Allocates the arena; called by the first bind() or run() otherwise. Throws Error{OutOfMemory}.
  void reserve();
  // The same in the caller's memory of arena_bytes(), 64-byte aligned; it must live as long as the runs. All must be bound again.
  void reserve_in(void* memory);
  void release();  // gives the arena back; everything must be bound again

  void bind(Value input, const void* data, size_t bytes);
  void bind(Value input, const Tensor& tensor);
  void bind(const std::string& input, const Tensor& tensor);

  // Throws Error{Cancelled} between two ops when the context's cancel flag is set; the plan stays usable.
  void run();

  // A view of an output, valid until the next run, bind or release.
  TensorRef output(int index) const;
  Tensor output_copy(int index) const;  // as float32

  // Called after each observed node with its name and value, since the arena reuses buffers.
  std::function<void(const std::string& name, const TensorRef& value)> observer;

  // Called before each op with parameters runs, with what it is about to read. Ask for a plan without fusions to see every layer.
  struct Reading {
    const std::string& parameter;  // the name of the first constant it reads: "conv_in.weight"
    const Op& op;
    std::span<const TensorRef> in;
    const TensorType& out;
  };
  std::function<void(const Reading&)> reading;

  // Seconds per op name of the last run, filled when `timing` is set before it.
  bool timing = false;
  std::map<std::string, double> seconds_by_op;

  const std::vector<PlannedNode>& nodes() const { return nodes_; }
  const Graph& graph() const { return graph_; }
  Rate phase(int position) const { return graph_.node(nodes_[static_cast<size_t>(position)].id).rate; }

 private:
  void order_by_phase();
  void assign_buffers(const std::vector<int>& outputs, bool reuse_memory);
  TensorRef ref(int position) const;
  void run_node(int position);

  Context& context_;
  const Graph& graph_;
  std::vector<PlannedNode> nodes_;       // in run order
  std::vector<size_t> offsets_;          // per node, kNoBuffer for constants
  std::vector<size_t> scratch_offsets_;  // per node
  std::vector<int> outputs_;             // positions
  std::map<int, int> input_positions_;   // recorded id -> position
  std::vector<bool> bound_;
  std::function<bool(const Node&)> observe_;
  size_t arena_bytes_ = 0;
  std::shared_ptr<void> arena_;
  Rate dirty_ = Rate::Model;             // slowest phase that must run
  bool clean_ = false;
};

}  // namespace nibble
