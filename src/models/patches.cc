#include "models/patches.h"

#include "base/error.h"
#include "ops/basic.h"
#include "ops/linear.h"

namespace nibble::models {

PatchProjection::PatchProjection(const Scope& s, int64_t width, int64_t patch, bool bias)
    : weight_(s.matrix("weight", {width, 3, patch, patch})),
      bias_(bias ? s.vector("bias", width) : Parameter{}),
      patch_(patch) {}

Value PatchProjection::operator()(Value pixels) const {
  if (pixels.dim(1) % patch_ != 0 || pixels.dim(2) % patch_ != 0)
    fail(ErrorCode::InvalidArgument, "picture {}: want sides that are multiples of {}", to_string(pixels.shape()),
         patch_);
  Graph& g = pixels.graph();
  const Value y = ops::conv2d(pixels, weight_.in(g), bias_ ? bias_.in(g) : Value(), {.stride = patch_});
  return ops::reshape(y, {y.dim(0), y.dim(1) * y.dim(2), y.dim(3)});
}

Value with_class_token(Value patches, const Parameter& class_token, const Parameter& positions) {
  Graph& g = patches.graph();
  const int64_t n = patches.dim(0), tokens = patches.dim(1) + 1, width = patches.dim(2);
  if (positions.tensor.count() != tokens * width)
    fail(ErrorCode::InvalidArgument, "picture of {} patches: the model has {} positions", tokens - 1,
         positions.tensor.count() / width);
  const Value first = ops::broadcast_rows(class_token.in(g), {n, 1, width});
  const Value x = ops::reshape(ops::concat({first, patches}, 1), {n, tokens * width});
  const Value added = g.constant(positions.tensor.reshaped({tokens * width}), positions.name);
  return ops::reshape(ops::add(x, added), {n, tokens, width});
}

}  // namespace nibble::models
