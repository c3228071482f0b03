// Normalisations. gamma and beta are f32 [C] and may be empty for layer_norm and rms_norm.
#pragma once

#include <optional>

#include "graph/graph.h"

namespace nibble::ops {

// x [N, ..., C] over each image's positions and C/groups channels (Wu & He 2018); followed by silu it becomes one pass.
Value group_norm(Value x, Value gamma, Value beta, int64_t groups, float eps);

// What a group_norm was made with, and whether a silu joined it; nothing for any other op.
struct GroupNormSettings {
  int64_t groups = 0;
  float eps = 0;
  bool silu = false;
  bool operator==(const GroupNormSettings&) const = default;
};
std::optional<GroupNormSettings> group_norm_settings(const Op& op);

Value layer_norm(Value x, Value gamma, Value beta, float eps);  // over the last axis

// What a layer_norm with gamma and beta was made with; nothing for any other op.
struct LayerNormSettings {
  float eps = 0;
  bool operator==(const LayerNormSettings&) const = default;
};
std::optional<LayerNormSettings> layer_norm_settings(const Op& op);

Value rms_norm(Value x, Value gamma, float eps);                // over the last axis

}  // namespace nibble::ops
