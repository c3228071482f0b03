// Work and memory traffic of a graph, node by node, without running it: the basis of `nibble estimate`.
#pragma once

#include <map>
#include <string>

#include "graph/plan.h"

namespace nibble {

struct KindCost {
  int64_t count = 0;
  double operations = 0;       // multiply-add counts two
  double element_passes = 0;
  double weight_bytes = 0;     // constants read
  double activation_bytes = 0; // results written and inputs read
};

struct GraphCost {
  std::map<std::string, KindCost> by_op;         // of all phases from `slowest` on
  double operations = 0, weight_bytes = 0, activation_bytes = 0, element_passes = 0;
  double largest_activation_bytes = 0;
};

// total += times · part.
void add_cost(GraphCost& total, const GraphCost& part, double times);

// Sums the nodes of the phases slowest..fastest of a plan.
GraphCost graph_cost(const Plan& plan, Rate slowest, Rate fastest = Rate::Branch);

}  // namespace nibble
