// Classes and functions that a pickle of tensors may name ("module.name"), as one table each.
#pragma once

#include <optional>
#include <string_view>

#include "tensor/dtype.h"

namespace nibble {

std::optional<DType> pickled_storage_dtype(std::string_view name);  // "torch.HalfStorage" -> F16
bool is_known_in_pickles(std::string_view name);  // has a meaning: builds dictionaries, shapes, storages and tensors
bool is_script_class(std::string_view name);      // of a TorchScript program: read as a dictionary of its attributes
bool is_inert_in_pickles(std::string_view name);  // training leftovers that are read as values without content

}  // namespace nibble
