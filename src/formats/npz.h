// NumPy's .npz: a zip file of .npy arrays.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace nibble {

// Arrays by name ("mu"), rows first, stored or deflated, little-endian. Throws Error{NotFound, Io, Corrupt,
// Unsupported}.
std::map<std::string, Tensor> read_npz(const std::filesystem::path& file);

// As numpy.savez: stored, C order. F64, F32, I64 and I32. Same arrays, same bytes. Throws Error{Io}.
void write_npz(const std::filesystem::path& file, const std::vector<std::pair<std::string, Tensor>>& arrays);

}  // namespace nibble
