// The speed of whole quantized layers on all threads: activations to integers, product, branch, as a network runs them.
#pragma once

#include <vector>

#include "base/context.h"
#include "kernels/bench.h"

namespace nibble {

// Linear layers and convolutions of Stable Diffusion's shapes in bf16. Work is that of the main product alone; seconds
// are wall time, best of several; layers with a branch are smoothed too; the peak is the int8 dot product's of this run, of
// all threads.
std::vector<kernels::BenchRow> bench_layers(Context& context);

}  // namespace nibble
