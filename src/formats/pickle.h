// Reads the part of Python's pickle format that torch.save writes for tensors, as data: there is no object, no import
// and no call behind it. A pickle that names anything but tensors, containers and a short list of inert classes is
// refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"

namespace nibble {

using PickleId = uint32_t;  // index into Pickle::values

enum class PickleKind : uint8_t { None, Bool, Int, Float, Text, Tuple, List, Dict, Global, Storage, Tensor, Opaque };

struct PickleValue {
  PickleKind kind = PickleKind::None;
  int64_t integer = 0;          // Bool, Int; index into Pickle::storages or Pickle::tensors
  double number = 0;            // Float
  std::string_view text;        // Text, Global ("module.name"); points into the file or into Pickle::names
  std::vector<PickleId> items;  // Tuple, List; Dict: key, value, key, value …
};

struct PickledStorage {
  DType dtype;
  std::string_view key;  // names the bytes: zip entry "data/<key>", or the key of the legacy format
  int64_t count;         // elements
};

struct PickledTensor {
  PickledStorage storage;
  int64_t offset = 0;  // in elements, as the strides
  std::vector<int64_t> shape, strides;
};

// Values refer to each other by id and may be shared or cyclic; whoever walks them bounds the walk.
struct Pickle {
  std::deque<PickleValue> values;
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;
  std::set<std::string, std::less<>> names;
  PickleId root = 0;
  size_t end = 0;  // bytes read, including STOP

  const PickleValue& operator[](PickleId id) const { return values[id]; }
};

// Reads one pickle from the start of `bytes`, which must outlive the result. `what` begins messages: "file model.pt".
Pickle read_pickle(std::span<const std::byte> bytes, const std::string& what);

}  // namespace nibble
