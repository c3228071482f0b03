#include "base/check.h"
#include "ops/basic.h"
#include "ops/parallel.h"

namespace nibble::ops {
namespace {

// [images, rows, C] -> [images, C]: the sum over rows, float32 data, double accumulation, rows in order.
void sum_over_rows(Context& context, const float* x, float* y, int64_t images, int64_t rows, int64_t columns) {
  parallel_rows(context, images * columns, rows, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* column = x + i / columns * rows * columns + i % columns;
      double sum = 0;
      for (int64_t r = 0; r < rows; ++r) sum += static_cast<double>(column[r * columns]);
      y[i] = static_cast<float>(sum);
    }
  });
}

// Sums x to `shape`, which is x's shape with leading or middle positions gone: see `images` and `columns`.
class Sum : public Op {
 public:
  Sum(const Shape& shape, int64_t images, int64_t columns) : shape_(shape), images_(images), columns_(columns) {}
  const char* name() const override { return "sum"; }
  TensorType infer(std::span<const TensorType> in) const override {
    NIBBLE_CHECK(in[0].dtype == DType::F32, "sums are float32");
    NIBBLE_CHECK(in[0].shape.count() % (images_ * columns_) == 0, "sum of {}", to_string(in[0].shape));
    return {DType::F32, shape_};
  }
  void run(const RunArgs& args) const override {
    sum_over_rows(args.context, args.in[0].as<float>(), args.out.as<float>(), images_,
                  args.in[0].type.shape.count() / (images_ * columns_), columns_);
  }
  OpCost cost(std::span<const TensorType> in, const TensorType&) const override {
    return {0, static_cast<double>(in[0].shape.count())};
  }
  std::vector<Value> gradient(const GradientArgs& g) const override;

 private:
  Shape shape_;
  int64_t images_, columns_;
};

// The transpose of Sum: [images, columns] repeated over rows to `shape`.
class Repeat : public Op {
 public:
  Repeat(const Shape& shape, int64_t images, int64_t columns) : shape_(shape), images_(images), columns_(columns) {}
  const char* name() const override { return "repeat"; }
  TensorType infer(std::span<const TensorType> in) const override {
    NIBBLE_CHECK(in[0].dtype == DType::F32 && in[0].shape.count() == images_ * columns_, "repeat of {}", to_string(in[0].shape));
    return {DType::F32, shape_};
  }
  void run(const RunArgs& args) const override {
    const float* x = args.in[0].as<float>();
    float* y = args.out.as<float>();
    const int64_t rows = shape_.count() / (images_ * columns_);
    parallel_rows(args.context, images_ * rows, columns_, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        std::copy_n(x + r / rows * columns_, columns_, y + r * columns_);
    });
  }
  std::vector<Value> gradient(const GradientArgs& g) const override {
    return {g.grad.graph().record(std::make_shared<Sum>(g.in[0].shape(), images_, columns_), {g.grad})};
  }

 private:
  Shape shape_;
  int64_t images_, columns_;
};

std::vector<Value> Sum::gradient(const GradientArgs& g) const {
  return {g.grad.graph().record(std::make_shared<Repeat>(g.in[0].shape(), images_, columns_), {g.grad})};
}

Value sum_to(Value x, const Shape& shape, int64_t images, int64_t columns) {
  return x.graph().record(std::make_shared<Sum>(shape, images, columns), {x});
}

}  // namespace

Value sum_rows(Value x) { return sum_to(x, {x.dim(-1)}, 1, x.dim(-1)); }

Value sum_last(Value x) {
  Shape shape = x.shape();
  shape[-1] = 1;
  return sum_to(x, shape, shape.count(), 1);
}

Value sum_all(Value x) { return sum_to(x, {1}, 1, 1); }
Value mean_all(Value x) { return scale(sum_all(x), 1.0f / static_cast<float>(x.shape().count())); }
Value sum_images(Value x, const Shape& shape) { return sum_to(x, shape, x.dim(0), x.dim(-1)); }

Value broadcast_last(Value x, int64_t count) {
  Shape shape = x.shape();
  shape[-1] = count;
  return x.graph().record(std::make_shared<Repeat>(shape, x.shape().count(), 1), {x});
}

Value broadcast_rows(Value x, const Shape& shape) {
  return x.graph().record(std::make_shared<Repeat>(shape, 1, x.shape().count()), {x});
}

}  // namespace nibble::ops
