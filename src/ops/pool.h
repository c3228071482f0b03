// Pooling over windows and over whole pictures, float32, NHWC. Places outside the picture count neither in a maximum nor in a
// mean (torch: count_include_pad=False). No gradients.
#pragma once

#include "graph/graph.h"

namespace nibble::ops {

struct PoolOptions {
  int64_t kernel = 3, stride = 2;
  int64_t pad = 0;          // on all sides, at most kernel / 2
  bool round_up = false;    // torch's ceil_mode: a last window that begins inside the picture or its padding counts too
};

// x [N, H, W, C] -> [N, H', W', C]. NaN stays NaN. Throws Error{InvalidArgument} for pictures smaller than the window.
Value max_pool(Value x, const PoolOptions& options);
Value average_pool(Value x, const PoolOptions& options);

// x [N, H, W, C] -> [N, C], the mean over positions, summed in float64.
Value mean_positions(Value x);

}  // namespace nibble::ops
