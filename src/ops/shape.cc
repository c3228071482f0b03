#include <cstring>

#include "base/check.h"
#include "ops/basic.h"
#include "ops/parallel.h"

namespace nibble::ops {
namespace {

class Reshape : public Op {
 public:
  explicit Reshape(const Shape& shape) : shape_(shape) {}
  const char* name() const override { return "reshape"; }
  int view_of() const override { return 0; }
  TensorType infer(std::span<const TensorType> in) const override {
    if (shape_.count() != in[0].shape.count())
      fail(ErrorCode::InvalidArgument, "reshape: {} to {}", to_string(in[0].shape), to_string(shape_));
    return {in[0].dtype, shape_};
  }
  void run(const RunArgs&) const override {}
  OpCost cost(std::span<const TensorType>, const TensorType&) const override { return {}; }
  std::vector<Value> gradient(const GradientArgs& g) const override { return {reshape(g.grad, g.in[0].shape())}; }

 private:
  Shape shape_;
};

class Permute : public Op {
 public:
  explicit Permute(std::vector<int> axes) : axes_(std::move(axes)) {}
  const char* name() const override { return "permute"; }
  TensorType infer(std::span<const TensorType> in) const override {
    NIBBLE_CHECK(static_cast<int>(axes_.size()) == in[0].shape.rank(), "permute of {}", to_string(in[0].shape));
    Shape shape = in[0].shape;
    for (int i = 0; i < shape.rank(); ++i) shape[i] = in[0].shape[axes_[static_cast<size_t>(i)]];
    return {in[0].dtype, shape};
  }
  void run(const RunArgs& args) const override {
    const Shape &from = args.in[0].type.shape, &to = args.out.type.shape;
    const size_t size = bytes_of(args.out.type.dtype);
    const int rank = to.rank();
    std::vector<int64_t> stride(static_cast<size_t>(rank));  // of the source, per output axis
    for (int i = 0; i < rank; ++i) stride[static_cast<size_t>(i)] = from.count(axes_[static_cast<size_t>(i)] + 1, rank);
    const int64_t width = to[-1], rows = to.count() / std::max<int64_t>(width, 1);
    parallel_rows(args.context, rows, width, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t rest = row, source = 0;
        for (int i = rank - 2; i >= 0; --i) {
          source += rest % to[i] * stride[static_cast<size_t>(i)];
          rest /= to[i];
        }
        for (int64_t j = 0; j < width; ++j)
          std::memcpy(args.out.as<std::byte>() + static_cast<size_t>(row * width + j) * size,
                      args.in[0].as<std::byte>() + static_cast<size_t>(source + j * stride.back()) * size, size);
      }
    });
  }
  std::vector<Value> gradient(const GradientArgs& g) const override {
    std::vector<int> inverse(axes_.size());
    for (size_t i = 0; i < axes_.size(); ++i) inverse[static_cast<size_t>(axes_[i])] = static_cast<int>(i);
    return {permute(g.grad, inverse)};
  }

 private:
  std::vector<int> axes_;
};

// Copies `rows` runs of `bytes` between two strided places.
void copy_runs(Context& context, std::byte* to, size_t to_stride, const std::byte* from, size_t from_stride, int64_t rows,
               size_t bytes) {
  parallel_rows(context, rows, static_cast<int64_t>(bytes / 4) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      std::memcpy(to + static_cast<size_t>(r) * to_stride, from + static_cast<size_t>(r) * from_stride, bytes);
  });
}

class Concat : public Op {
 public:
  explicit Concat(int axis) : axis_(axis) {}
  const char* name() const override { return "concat"; }
  TensorType infer(std::span<const TensorType> in) const override {
    Shape shape = in[0].shape;
    for (size_t i = 1; i < in.size(); ++i) {
      Shape other = in[i].shape;
      shape[axis_] += other[axis_];
      other[axis_] = in[0].shape[axis_];
      if (!(other == in[0].shape) || in[i].dtype != in[0].dtype)
        fail(ErrorCode::InvalidArgument, "concat: {} and {} along axis {}", to_string(in[0].shape), to_string(in[i].shape), axis_);
    }
    return {in[0].dtype, shape};
  }
  void run(const RunArgs& args) const override {
    const Shape& shape = args.out.type.shape;
    const size_t size = bytes_of(args.out.type.dtype);
    const auto run_bytes = [&](const Shape& s) { return static_cast<size_t>(s.count(axis_, s.rank())) * size; };
    std::byte* to = args.out.as<std::byte>();
    for (const TensorRef& part : args.in) {
      const size_t bytes = run_bytes(part.type.shape);
      copy_runs(args.context, to, run_bytes(shape), part.as<std::byte>(), bytes, shape.count(0, axis_), bytes);
      to += bytes;
    }
  }
  std::vector<Value> gradient(const GradientArgs& g) const override {
    std::vector<Value> out;
    int64_t begin = 0;
    for (size_t i = 0; i < g.in.size(); ++i) {
      const int64_t end = begin + g.in[i].dim(axis_);
      out.push_back(g.wanted[i] ? slice(g.grad, axis_, begin, end) : Value());
      begin = end;
    }
    return out;
  }

 private:
  int axis_;
};

class Slice : public Op {
 public:
  Slice(int axis, int64_t begin, int64_t end) : axis_(axis), begin_(begin), end_(end) {}
  const char* name() const override { return "slice"; }
  TensorType infer(std::span<const TensorType> in) const override {
    Shape shape = in[0].shape;
    if (begin_ < 0 || end_ <= begin_ || end_ > shape[axis_])
      fail(ErrorCode::InvalidArgument, "slice: {}..{} of axis {} of {}", begin_, end_, axis_, to_string(shape));
    shape[axis_] = end_ - begin_;
    return {in[0].dtype, shape};
  }
  void run(const RunArgs& args) const override {
    const Shape &from = args.in[0].type.shape, &to = args.out.type.shape;
    const size_t size = bytes_of(args.out.type.dtype);
    const int64_t inner = from.count(axis_ + 1, from.rank());
    copy_runs(args.context, args.out.as<std::byte>(), static_cast<size_t>(to[axis_] * inner) * size,
              args.in[0].as<std::byte>() + static_cast<size_t>(begin_ * inner) * size,
              static_cast<size_t>(from[axis_] * inner) * size, from.count(0, axis_),
              static_cast<size_t>(to[axis_] * inner) * size);
  }
  std::vector<Value> gradient(const GradientArgs& g) const override {
    return {pad(g.grad, axis_, begin_, g.in[0].dim(axis_) - end_)};
  }

 private:
  int axis_;
  int64_t begin_, end_;
};

class Pad : public Op {
 public:
  Pad(int axis, int64_t before, int64_t after) : axis_(axis), before_(before), after_(after) {}
  const char* name() const override { return "pad"; }
  TensorType infer(std::span<const TensorType> in) const override {
    Shape shape = in[0].shape;
    shape[axis_] += before_ + after_;
    return {in[0].dtype, shape};
  }
  void run(const RunArgs& args) const override {
    const Shape &from = args.in[0].type.shape, &to = args.out.type.shape;
    const size_t size = bytes_of(args.out.type.dtype);
    const int64_t inner = from.count(axis_ + 1, from.rank());
    std::memset(args.out.data, 0, args.out.type.bytes());
    copy_runs(args.context, args.out.as<std::byte>() + static_cast<size_t>(before_ * inner) * size,
              static_cast<size_t>(to[axis_] * inner) * size, args.in[0].as<std::byte>(),
              static_cast<size_t>(from[axis_] * inner) * size, from.count(0, axis_),
              static_cast<size_t>(from[axis_] * inner) * size);
  }
  std::vector<Value> gradient(const GradientArgs& g) const override {
    return {slice(g.grad, axis_, before_, before_ + g.in[0].dim(axis_))};
  }

 private:
  int axis_;
  int64_t before_, after_;
};

int positive_axis(Value x, int axis) { return axis < 0 ? axis + x.shape().rank() : axis; }

}  // namespace

Value reshape(Value x, const Shape& wanted) {
  Shape shape = wanted;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] != -1) continue;
    shape[i] = 1;
    shape[i] = x.shape().count() / std::max<int64_t>(shape.count(), 1);
  }
  return shape == x.shape() ? x : x.graph().record(std::make_shared<Reshape>(shape), {x});
}

Value flatten_rows(Value x) { return reshape(x, {-1, x.dim(-1)}); }

Value permute(Value x, const std::vector<int>& axes) {
  return x.graph().record(std::make_shared<Permute>(axes), {x});
}

Value transpose_last(Value x) {
  std::vector<int> axes;
  for (int i = 0; i < x.shape().rank(); ++i) axes.push_back(i);
  std::swap(axes[axes.size() - 1], axes[axes.size() - 2]);
  return permute(x, axes);
}

Value concat(const std::vector<Value>& parts, int axis) {
  if (parts.size() == 1) return parts[0];
  return parts[0].graph().record(std::make_shared<Concat>(positive_axis(parts[0], axis)), parts);
}

Value slice(Value x, int axis, int64_t begin, int64_t end) {
  return x.graph().record(std::make_shared<Slice>(positive_axis(x, axis), begin, end), {x});
}

Value pad(Value x, int axis, int64_t before, int64_t after) {
  if (before == 0 && after == 0) return x;
  return x.graph().record(std::make_shared<Pad>(positive_axis(x, axis), before, after), {x});
}

}  // namespace nibble::ops
