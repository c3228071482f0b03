// Fusions: a copy of the reachable part of a graph in which neighbours that can be done in one pass are one op. Each fused
// op computes what its parts compute; Plan runs either form.
#pragma once

#include <functional>
#include <vector>

#include "graph/graph.h"

namespace nibble {

struct PlannedNode {
  int id = 0;                // of the last node it stands for, in the recorded graph
  std::shared_ptr<const Op> op;  // null for inputs and constants
  std::vector<int> inputs;   // indices into the planned list
};

// Nodes reachable from `outputs` in recorded order, with fusions applied where `fuse`. A node for which `keep` holds is
// never fused away (observers want its value). Returns the list; `position_of[id]` is its index or -1.
struct Rewritten {
  std::vector<PlannedNode> nodes;
  std::vector<int> position_of;
};
Rewritten rewrite(const Graph& graph, const std::vector<int>& outputs, bool fuse,
                  const std::function<bool(const Node&)>& keep);

}  // namespace nibble
