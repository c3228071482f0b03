#include "graph/rewrite.h"

#include <algorithm>

#include "base/check.h"

namespace nibble {
namespace {

struct Work {
  std::shared_ptr<const Op> op;
  std::vector<int> inputs;  // recorded ids
  bool alive = false;
};

class Rewriter {
 public:
  Rewriter(const Graph& graph, const std::vector<int>& outputs, const std::function<bool(const Node&)>& keep)
      : graph_(graph), work_(static_cast<size_t>(graph.size())), uses_(work_.size(), 0), kept_(work_.size(), false) {
    for (int id : outputs) {
      work_[at(id)].alive = true;
      kept_[at(id)] = true;
    }
    for (int id = graph.size() - 1; id >= 0; --id) {
      if (!work_[at(id)].alive) continue;
      const Node& node = graph.node(id);
      work_[at(id)].op = node.op;
      work_[at(id)].inputs = node.inputs;
      if (keep && keep(node)) kept_[at(id)] = true;
      for (int input : node.inputs) {
        work_[at(input)].alive = true;
        ++uses_[at(input)];
      }
    }
  }

  void fuse() {
    for (int id = 0; id < graph_.size(); ++id) {
      if (!work_[at(id)].alive || !work_[at(id)].op) continue;
      while (fuse_into(id)) {
      }
    }
  }

  Rewritten result() const {
    Rewritten out;
    out.position_of.assign(work_.size(), -1);
    for (int id = 0; id < graph_.size(); ++id) {
      if (!work_[at(id)].alive) continue;
      PlannedNode node{id, work_[at(id)].op, {}};
      for (int input : work_[at(id)].inputs) node.inputs.push_back(out.position_of[at(input)]);
      out.position_of[at(id)] = static_cast<int>(out.nodes.size());
      out.nodes.push_back(std::move(node));
    }
    return out;
  }

 private:
  static size_t at(int id) { return static_cast<size_t>(id); }

  std::vector<TensorType> types(const std::vector<int>& ids) const {
    std::vector<TensorType> out;
    for (int id : ids) out.push_back(graph_.node(id).type);
    return out;
  }

  // A node slower than its consumer must stay apart, or hoisted work would move into the loop.
  bool can_merge(int producer, int consumer) const {
    return work_[at(producer)].op && !kept_[at(producer)] && uses_[at(producer)] == 1 &&
           graph_.node(producer).rate == graph_.node(consumer).rate;
  }

  bool fuse_into(int id) {
    Work& node = work_[at(id)];
    const std::vector<TensorType> node_types = types(node.inputs);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const int producer = node.inputs[i];
      if (!can_merge(producer, id)) continue;
      Work& made_by = work_[at(producer)];
      const int position = static_cast<int>(i);
      Fusion fusion = made_by.op->fuse_next(*node.op, types(made_by.inputs), node_types, position);
      if (fusion.op) return apply(fusion, id, made_by.inputs, node.inputs, producer);
      fusion = node.op->fuse_previous(*made_by.op, node_types, position);
      if (fusion.op) return apply(fusion, id, node.inputs, made_by.inputs, producer);
    }
    return false;
  }

  bool apply(const Fusion& fusion, int id, const std::vector<int>& own, const std::vector<int>& neighbour, int producer) {
    std::vector<int> inputs;
    for (int index : fusion.inputs) inputs.push_back(index >= 0 ? own[at(index)] : neighbour[at(-1 - index)]);
    work_[at(id)].op = fusion.op;
    work_[at(id)].inputs = std::move(inputs);
    work_[at(producer)].alive = false;
    return true;
  }

  const Graph& graph_;
  std::vector<Work> work_;
  std::vector<int> uses_;
  std::vector<bool> kept_;
};

}  // namespace

Rewritten rewrite(const Graph& graph, const std::vector<int>& outputs, bool fuse,
                  const std::function<bool(const Node&)>& keep) {
  Rewriter rewriter(graph, outputs, keep);
  if (fuse) rewriter.fuse();
  return rewriter.result();
}

}  // namespace nibble
