#include <algorithm>

#include "base/check.h"
#include "ops/basic.h"
#include "ops/gemm_run.h"
#include "ops/linear.h"
#include "ops/parallel.h"

namespace nibble::ops {
namespace {

// [N, H, W, C] -> [N, (H-1)·s+1, (W-1)·s+1, C] with zeros between.
class Dilate : public Op {
 public:
  explicit Dilate(int64_t stride) : stride_(stride) {}
  const char* name() const override { return "dilate"; }
  TensorType infer(std::span<const TensorType> in) const override {
    const Shape& s = in[0].shape;
    NIBBLE_CHECK(in[0].dtype == DType::F32, "gradients are float32");
    return {DType::F32, {s[0], (s[1] - 1) * stride_ + 1, (s[2] - 1) * stride_ + 1, s[3]}};
  }
  void run(const RunArgs& args) const override {
    const Shape &from = args.in[0].type.shape, &to = args.out.type.shape;
    const float* x = args.in[0].as<float>();
    float* y = args.out.as<float>();
    std::fill_n(y, to.count(), 0.0f);
    for (int64_t n = 0; n < from[0]; ++n)
      for (int64_t i = 0; i < from[1]; ++i)
        for (int64_t j = 0; j < from[2]; ++j)
          std::copy_n(x + ((n * from[1] + i) * from[2] + j) * from[3], from[3],
                      y + ((n * to[1] + i * stride_) * to[2] + j * stride_) * to[3]);
  }

 private:
  int64_t stride_;
};

// dX = correlation of dY with the flipped, transposed kernel; inputs dY (dilated by the stride) and the weight [O, I, kh, kw].
class ConvInputGradient : public Op {
 public:
  ConvInputGradient(const Shape& input, const Conv2dOptions& options) : input_(input), options_(options) {}
  const char* name() const override { return "conv2d_input_gradient"; }
  TensorType infer(std::span<const TensorType> in) const override { return {in[0].dtype, input_}; }
  size_t scratch_bytes(const Context& context, std::span<const TensorType> in, const TensorType&) const override {
    const Shape& w = in[1].shape;
    return gemm_scratch(context, in[0].dtype, w[2] * w[3], w[0]);
  }
  void run(const RunArgs& args) const override {
    const Shape &grad = args.in[0].type.shape, &w = args.in[1].type.shape;
    const kernels::ConvGeometry geometry{grad[1], grad[2], input_[1], input_[2], w[2], w[3], 1,
                                         w[2] - 1 - options_.pad_top, w[3] - 1 - options_.pad_left, 1};
    kernels::GemmProblem p{};
    p.m = input_.count(0, 3), p.n = w[1], p.k = w[0], p.taps = w[2] * w[3];
    p.a = args.in[0].data;
    p.a_stride = grad[3];
    p.conv = &geometry;
    const DType dtype = args.in[1].type.dtype;
    const std::byte* last_tap = args.in[1].as<std::byte>() + static_cast<size_t>(p.taps - 1) * bytes_of(dtype);
    p.weight = {last_tap, dtype, p.taps, -1, w[1] * p.taps};
    p.c = args.out.data;
    p.c_stride = p.n;
    run_gemm_threaded(args.context, args.in[0].type.dtype, p, args.scratch);
  }

 private:
  Shape input_;
  Conv2dOptions options_;
};

// dW [O, kh, kw, I] = sum over output pixels of dY[pixel, o] · x[pixel + tap, i]; inputs dY and x.
class ConvWeightGradient : public Op {
 public:
  ConvWeightGradient(const Shape& weight, const Conv2dOptions& options) : weight_(weight), options_(options) {}
  const char* name() const override { return "conv2d_weight_gradient"; }
  TensorType infer(std::span<const TensorType> in) const override {
    NIBBLE_CHECK(in[0].dtype == DType::F32 && in[1].dtype == DType::F32, "gradients are float32");
    return {DType::F32, {weight_[0], weight_[2], weight_[3], weight_[1]}};
  }
  void run(const RunArgs& args) const override {
    const int64_t outputs = weight_[0], taps = weight_[2] * weight_[3], channels = weight_[1];
    float* dw = args.out.as<float>();
    parallel_rows(args.context, outputs * taps, channels * args.in[0].type.shape.count(0, 3), [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item)
        one_tap(args, item / taps, item % taps / weight_[3], item % taps % weight_[3], dw + item * channels);
    });
  }
  OpCost cost(std::span<const TensorType> in, const TensorType& out) const override {
    return {2.0 * static_cast<double>(out.shape.count()) * static_cast<double>(in[0].shape.count(0, 3)), 0};
  }

 private:
  void one_tap(const RunArgs& args, int64_t o, int64_t ky, int64_t kx, float* dw) const {
    const Shape &grad = args.in[0].type.shape, &x = args.in[1].type.shape;
    std::fill_n(dw, x[3], 0.0f);
    for (int64_t n = 0; n < grad[0]; ++n)
      for (int64_t i = 0; i < grad[1]; ++i)
        for (int64_t j = 0; j < grad[2]; ++j) {
          const int64_t y = i * options_.stride + ky - options_.pad_top, z = j * options_.stride + kx - options_.pad_left;
          if (y < 0 || y >= x[1] || z < 0 || z >= x[2]) continue;
          const float g = args.in[0].as<float>()[((n * grad[1] + i) * grad[2] + j) * grad[3] + o];
          const float* row = args.in[1].as<float>() + ((n * x[1] + y) * x[2] + z) * x[3];
          for (int64_t c = 0; c < x[3]; ++c) dw[c] += g * row[c];
        }
  }

  Shape weight_;
  Conv2dOptions options_;
};

}  // namespace

Value conv2d_input_gradient(Value grad, Value weight, const Shape& input, const Conv2dOptions& options) {
  Graph& graph = grad.graph();
  if (options.stride > 1) grad = graph.record(std::make_shared<Dilate>(options.stride), {grad});
  return graph.record(std::make_shared<ConvInputGradient>(input, options), {grad, weight});
}

Value conv2d_weight_gradient(Value grad, Value x, const Shape& weight, const Conv2dOptions& options) {
  const Value dw = grad.graph().record(std::make_shared<ConvWeightGradient>(weight, options), {grad, x});
  return permute(dw, {0, 3, 1, 2});
}

}  // namespace nibble::ops
