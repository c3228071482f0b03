// How layers share a budget of bytes: each takes one of its options, so that the sum of their errors is small.
#pragma once

#include <cstddef>
#include <vector>

namespace nibble::quant {

// One way to store a layer. The error is infinite where it was not measured; such an option is never taken.
struct StorageOption {
  size_t bytes;
  double error;
};

// The number of each layer's option. Every layer lists the same ways in the same order ("rank 0", "rank 16", ...,
// "int8"). From each start where all layers take the same way and that fits, the change that takes away most error for
// each byte is made again and again while one fits; the best end is returned, so no single way within the budget has a
// smaller sum of errors. Equal changes: the first layer's first option. Nothing where no start fits.
std::vector<size_t> choose_within(const std::vector<std::vector<StorageOption>>& layers, size_t budget);

}  // namespace nibble::quant
