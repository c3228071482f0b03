#include "ops/linear.h"

#include "base/check.h"
#include "ops/basic.h"
#include "ops/gemm_run.h"
#include "ops/memory.h"

namespace nibble::ops {
namespace {

// Inputs: a, b, then bias and residual where the op has them.
class MatMul : public Op {
 public:
  MatMul(bool transposed, bool bias, bool residual) : transposed_(transposed), bias_(bias), residual_(residual) {}

  const char* name() const override { return "linear"; }
  int in_place_of() const override { return residual_ ? residual_index() : -1; }

  TensorType infer(std::span<const TensorType> in) const override {
    const Shape &a = in[0].shape, &b = in[1].shape;
    const bool ranks = a.rank() >= 1 && (b.rank() == 2 || (b.rank() == a.rank() && a.rank() > 2));
    if (!ranks || a[-1] != b[transposed_ ? -2 : -1])
      fail(ErrorCode::InvalidArgument, "linear: x {} does not fit weight {}", to_string(a), to_string(b));
    if (b.rank() > 2)
      for (int i = 0; i + 2 < b.rank(); ++i)
        if (a[i] != b[i]) fail(ErrorCode::InvalidArgument, "matmul: batches of {} and {}", to_string(a), to_string(b));
    Shape out = a;
    out[-1] = b[transposed_ ? -1 : -2];
    if (bias_ && in[2].shape.count() != out[-1])
      fail(ErrorCode::InvalidArgument, "linear: bias {} for {} outputs", to_string(in[2].shape), out[-1]);
    return {in[0].dtype, out};
  }

  size_t scratch_bytes(const Context& context, std::span<const TensorType> in, const TensorType&) const override {
    return gemm_scratch(context, in[0].dtype, 1, in[0].shape[-1]);
  }

  void run(const RunArgs& args) const override {
    const Shape &a = args.in[0].type.shape, &b = args.in[1].type.shape;
    const DType dtype = args.in[0].type.dtype, weight_dtype = args.in[1].type.dtype;
    const int64_t k = a[-1], n = args.out.type.shape[-1];
    const int64_t batch = b.rank() == 2 ? 1 : b.count(0, b.rank() - 2);
    const int64_t m = k == 0 ? 0 : a.count() / k / batch;
    for (int64_t i = 0; i < batch; ++i) {
      kernels::GemmProblem p{};
      p.m = m, p.n = n, p.k = k, p.taps = 1;
      p.a = element_at(args.in[0], i * m * k);
      p.a_stride = k;
      p.weight = {element_at(args.in[1], i * n * k), weight_dtype, transposed_ ? 1 : k, 0, transposed_ ? n : 1};
      if (bias_) p.bias = args.in[2].as<float>();
      if (residual_) {
        p.residual = element_at(args.in[static_cast<size_t>(residual_index())], i * m * n);
        p.residual_stride = n;
      }
      p.c = element_at(args.out, i * m * n);
      p.c_stride = n;
      run_gemm_threaded(args.context, dtype, p, args.scratch);
    }
  }

  OpCost cost(std::span<const TensorType> in, const TensorType& out) const override {
    return {2.0 * static_cast<double>(out.shape.count()) * static_cast<double>(in[0].shape[-1]), 0};
  }

  Fusion fuse_next(const Op& next, std::span<const TensorType> in, std::span<const TensorType> next_in,
                   int position) const override {
    if (residual_ || next.name() != std::string_view("add") || !(next_in[0] == next_in[1])) return {};
    std::vector<int> inputs;
    for (int i = 0; i < static_cast<int>(in.size()); ++i) inputs.push_back(i);
    inputs.push_back(-1 - (1 - position));
    return {std::make_shared<MatMul>(transposed_, bias_, true), inputs};
  }

  std::vector<Value> gradient(const GradientArgs& g) const override {
    const Value a = g.in[0], b = g.in[1];
    std::vector<Value> out(g.in.size());
    const bool shared = b.shape().rank() == 2;
    if (g.wanted[0]) out[0] = shared ? linear(g.grad, b, {}, !transposed_) : matmul(g.grad, b, !transposed_);
    if (g.wanted[1]) {
      const Value rows = shared ? flatten_rows(a) : a, grad = shared ? flatten_rows(g.grad) : g.grad;
      // [N, K] = grad^T · a, or its transpose for a [K, N] weight.
      out[1] = transposed_ ? matmul(transpose_last(rows), grad, true) : matmul(transpose_last(grad), rows, true);
    }
    if (bias_ && g.wanted[2]) out[2] = sum_rows(g.grad);
    if (residual_ && g.wanted[static_cast<size_t>(residual_index())]) out[static_cast<size_t>(residual_index())] = g.grad;
    return out;
  }

 private:
  int residual_index() const { return bias_ ? 3 : 2; }
  bool transposed_, bias_, residual_;
};

// Inputs: x, weight, then bias and residual where the op has them.
class Conv2d : public Op {
 public:
  Conv2d(const Conv2dOptions& options, bool bias, bool residual, int64_t upsample)
      : options_(options), bias_(bias), residual_(residual), upsample_(upsample) {}

  const char* name() const override { return "conv2d"; }
  int in_place_of() const override { return residual_ ? residual_index() : -1; }

  TensorType infer(std::span<const TensorType> in) const override {
    const Shape &x = in[0].shape, &w = in[1].shape;
    if (x.rank() != 4 || w.rank() != 4 || x[3] != w[1])
      fail(ErrorCode::InvalidArgument, "conv2d: input {} (NHWC) does not fit weight {} (OIHW)", to_string(x), to_string(w));
    const int64_t h = x[1] * upsample_ + options_.pad_top + options_.pad_bottom - w[2];
    const int64_t wide = x[2] * upsample_ + options_.pad_left + options_.pad_right - w[3];
    if (h < 0 || wide < 0)
      fail(ErrorCode::InvalidArgument, "conv2d: input {} is smaller than the kernel {}", to_string(x), to_string(w));
    return {in[0].dtype, {x[0], h / options_.stride + 1, wide / options_.stride + 1, w[0]}};
  }

  size_t scratch_bytes(const Context& context, std::span<const TensorType> in, const TensorType&) const override {
    const Shape& w = in[1].shape;
    return gemm_scratch(context, in[0].dtype, w[2] * w[3], w[1]);
  }

  void run(const RunArgs& args) const override {
    const Shape &x = args.in[0].type.shape, &w = args.in[1].type.shape, &y = args.out.type.shape;
    const kernels::ConvGeometry geometry{x[1], x[2], y[1], y[2], w[2], w[3], options_.stride,
                                         options_.pad_top, options_.pad_left, upsample_};
    const bool pointwise = w[2] == 1 && w[3] == 1 && options_.stride == 1 && upsample_ == 1 && y.count(0, 3) == x.count(0, 3);
    kernels::GemmProblem p{};
    p.m = y.count(0, 3), p.n = w[0], p.k = w[1], p.taps = w[2] * w[3];
    p.a = args.in[0].data;
    p.a_stride = x[3];
    p.conv = pointwise ? nullptr : &geometry;
    p.weight = {args.in[1].data, args.in[1].type.dtype, w[1] * p.taps, 1, p.taps};
    if (bias_) p.bias = args.in[2].as<float>();
    if (residual_) p.residual = args.in[static_cast<size_t>(residual_index())].data, p.residual_stride = p.n;
    p.c = args.out.data;
    p.c_stride = p.n;
    run_gemm_threaded(args.context, args.in[0].type.dtype, p, args.scratch);
  }

  OpCost cost(std::span<const TensorType> in, const TensorType& out) const override {
    return {2.0 * static_cast<double>(out.shape.count()) * static_cast<double>(in[1].shape.count(1, 4)), 0};
  }

  Fusion fuse_next(const Op& next, std::span<const TensorType> in, std::span<const TensorType> next_in,
                   int position) const override {
    if (residual_ || next.name() != std::string_view("add") || !(next_in[0] == next_in[1])) return {};
    std::vector<int> inputs;
    for (int i = 0; i < static_cast<int>(in.size()); ++i) inputs.push_back(i);
    inputs.push_back(-1 - (1 - position));
    return {std::make_shared<Conv2d>(options_, bias_, true, upsample_), inputs};
  }

  Fusion fuse_previous(const Op& previous, std::span<const TensorType> in, int position) const override {
    if (position != 0 || upsample_ != 1 || previous.name() != std::string_view("upsample_nearest_2x")) return {};
    std::vector<int> inputs{-1};
    for (int i = 1; i < static_cast<int>(in.size()); ++i) inputs.push_back(i);
    return {std::make_shared<Conv2d>(options_, bias_, residual_, 2), inputs};
  }

  std::vector<Value> gradient(const GradientArgs& g) const override {
    std::vector<Value> out(g.in.size());
    if (g.wanted[0]) out[0] = conv2d_input_gradient(g.grad, g.in[1], g.in[0].shape(), options_);
    if (g.wanted[1]) out[1] = conv2d_weight_gradient(g.grad, g.in[0], g.in[1].shape(), options_);
    if (bias_ && g.wanted[2]) out[2] = sum_rows(g.grad);
    return out;
  }

 private:
  int residual_index() const { return bias_ ? 3 : 2; }
  Conv2dOptions options_;
  bool bias_, residual_;
  int64_t upsample_;
};

}  // namespace

Value linear(Value x, Value weight, Value bias, bool transposed) {
  std::vector<Value> inputs{x, weight};
  if (bias) inputs.push_back(bias);
  return x.graph().record(std::make_shared<MatMul>(transposed, static_cast<bool>(bias), false), inputs);
}

Value matmul(Value a, Value b, bool transposed) {
  return a.graph().record(std::make_shared<MatMul>(transposed, false, false), {a, b});
}

Value conv2d(Value x, Value weight, Value bias, const Conv2dOptions& options) {
  std::vector<Value> inputs{x, weight};
  if (bias) inputs.push_back(bias);
  return x.graph().record(std::make_shared<Conv2d>(options, static_cast<bool>(bias), false, 1), inputs);
}

}  // namespace nibble::ops
