// Reverse-mode differentiation as a longer graph: asks each op for its rule, so training runs on the same planner.
#pragma once

#include <functional>
#include <vector>

#include "graph/graph.h"

namespace nibble {

// d loss / d wrt[i] for each i, recorded behind `loss` in the same graph. `seed` has loss's shape (ones for a scalar loss);
// `sum` adds two values of one shape. A value on which loss does not depend gets an empty Value.
std::vector<Value> gradients(Value loss, Value seed, const std::vector<Value>& wrt,
                             const std::function<Value(Value, Value)>& sum);

}  // namespace nibble
