// The same network with some of its ops exchanged, for another arithmetic in them.
#pragma once

#include <functional>
#include <memory>

#include "graph/graph.h"

namespace nibble {

// Records all of `from` in the empty graph `to`, each op as `replace` gives it (null: as it is). Node i of one is node
// i of the other, so Value(&to, value.id()) stands for `value`. Constants share their memory.
void record_replaced(const Graph& from, Graph& to, const std::function<std::shared_ptr<const Op>(const Op&)>& replace);

}  // namespace nibble
