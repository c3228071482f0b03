// Weights by formula for tests: the twin of tests/golden/fill.py, bit for bit, so that golden files carry no weights.
#pragma once

#include "nn/scope.h"

namespace nibble {

// Has every tensor, in float32.
std::shared_ptr<const WeightSource> formula_weights();

}  // namespace nibble
