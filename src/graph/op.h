// What an operation is to the graph: a shape rule, a run, a cost, and where it exists a gradient and fusions.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "tensor/tensor.h"

namespace nibble {

class Value;
class Op;
struct GraphCost;

struct TensorType {
  DType dtype = DType::F32;
  Shape shape;
  size_t bytes() const { return static_cast<size_t>(shape.count()) * bytes_of(dtype); }
  bool operator==(const TensorType&) const = default;
};

// A typed place in the arena, in a mapped file, or in the caller's memory.
struct TensorRef {
  void* data = nullptr;
  TensorType type;

  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

struct RunArgs {
  Context& context;
  std::span<const TensorRef> in;
  TensorRef out;
  std::byte* scratch;  // scratch_bytes() of it, 64-byte aligned
};

// Work of one op. Multiply-add counts two operations.
struct OpCost {
  double operations = 0;     // of matrix products, convolutions, attention
  double element_passes = 0; // elements visited by everything else
};

struct GradientArgs {
  std::span<const Value> in;
  const Value& out;
  const Value& grad;              // d loss / d out, same shape as out
  std::span<const bool> wanted;   // which inputs need a gradient
};

// What an op becomes when it takes in a neighbour. `inputs` says where the fused op's inputs come from: index >= 0 an input
// of this op, index < 0 input (-1 - index) of the neighbour.
struct Fusion {
  std::shared_ptr<const Op> op;
  std::vector<int> inputs;
};

class Op {
 public:
  virtual ~Op() = default;
  virtual const char* name() const = 0;

  // Shape rule; throws Error{InvalidArgument} naming op, want and find.
  virtual TensorType infer(std::span<const TensorType> in) const = 0;
  virtual void run(const RunArgs& args) const = 0;
  virtual size_t scratch_bytes(const Context&, std::span<const TensorType>, const TensorType&) const { return 0; }
  virtual OpCost cost(std::span<const TensorType> in, const TensorType& out) const;
  // An op that runs graphs of its own adds their work to `total` op by op and returns true; cost() is then not asked.
  virtual bool add_inner_cost(GraphCost& total) const;

  // The input whose bytes the result shares without any work (reshape), or -1.
  virtual int view_of() const { return -1; }
  // The input whose buffer the result may overwrite when nobody needs it later, or -1.
  virtual int in_place_of() const { return -1; }

  // One value per input (empty where not wanted). Throws Error{Unsupported} where the op has no gradient.
  virtual std::vector<Value> gradient(const GradientArgs& args) const;

  // The op that does this op and then `next`, where this op's result is input `position` of `next` and nobody else's.
  virtual Fusion fuse_next(const Op& next, std::span<const TensorType> in, std::span<const TensorType> next_in,
                           int position) const;
  // The op that does `previous` (which makes this op's input `position`, and nobody else's) and then this op.
  virtual Fusion fuse_previous(const Op& previous, std::span<const TensorType> in, int position) const;
};

}  // namespace nibble
