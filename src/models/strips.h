// Parts of a convolutional network over one strip of a picture at a time, so that only a strip's activations exist beside the
// part's input and result. Nothing is approximated: a strip is read with as many rows above and below as its result depends
// on, and a group norm takes its statistics from the whole picture: one pass over the strips for each norm, up to that norm,
// and one pass for the result. So a part costs its work once more for every norm in it, and parts should be short.
#pragma once

#include <functional>

#include "graph/graph.h"

namespace nibble::models {

struct Strips {
  Context* context = nullptr;  // must outlive the plan; needed when count > 1
  int64_t count = 1;           // strips of a picture; 1: the whole picture at once
};

struct StripPart {
  std::function<Value(Value)> record;  // x [1, h, W, C] -> [1, scale · h, scale · W, C'], for any h; no attention inside
  int64_t scale = 1;
  int64_t reach = 0;  // rows of x above and below a result's own that it depends on, norms aside
};

// part.record(x), in strips of equal height. Strips begin where the blocks of group norm's sums begin, so the statistics are the
// very sums of the undivided norm. With scale 1 and C' = C the result may take the place of x.
Value in_strips(Value x, const StripPart& part, const Strips& strips);

}  // namespace nibble::models
