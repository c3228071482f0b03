// The random choices of the reference tools, for subsets of pictures.
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.h"

namespace nibble {

// numpy.random.RandomState(seed).permutation(n), the generator seeded once and going on: Generator(seed) is RandomState(seed).
// Its choice(n, k, replace=False) is the first k of it.
std::vector<int64_t> numpy_permutation(Generator& random, int64_t n);

// torch.randperm(n) with torch's CPU generator. n < 2^32 / 20.
std::vector<int64_t> torch_permutation(Generator& random, int64_t n);

}  // namespace nibble
