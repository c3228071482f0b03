#include <cmath>
#include <numbers>

#include "base/check.h"
#include "kernels/eltwise/eltwise.h"
#include "ops/basic.h"
#include "ops/memory.h"
#include "ops/parallel.h"

namespace nibble::ops {
namespace {

using kernels::BinaryOp;
using kernels::UnaryOp;

const kernels::EltwiseKernel& kernel_of(const RunArgs& args) {
  return kernels::select_eltwise(args.context.cpu, args.out.type.dtype);
}

struct UnaryRow {
  UnaryOp op;
  const char* name;
  double (*derivative)(double x);
};

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double logistic_slope(double x) { return logistic(x) * (1 - logistic(x)); }
double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }
double normal_density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi); }

double gelu_tanh_slope(double x) {
  const double c = std::sqrt(2 / std::numbers::pi), t = std::tanh(c * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x);
}

constexpr UnaryRow kUnary[] = {
    {UnaryOp::Silu, "silu", [](double x) { return logistic(x) + x * logistic_slope(x); }},
    {UnaryOp::GeluErf, "gelu", [](double x) { return normal_cdf(x) + x * normal_density(x); }},
    {UnaryOp::GeluTanh, "gelu_tanh", gelu_tanh_slope},
    {UnaryOp::QuickGelu, "quick_gelu",
     [](double x) { return logistic(1.702 * x) + 1.702 * x * logistic_slope(1.702 * x); }},
    {UnaryOp::Relu, "relu", [](double x) { return x > 0 ? 1.0 : 0.0; }},
    {UnaryOp::Sigmoid, "sigmoid", logistic_slope},
    {UnaryOp::Tanh, "tanh", [](double x) { return 1 - std::tanh(x) * std::tanh(x); }},
    {UnaryOp::Exp, "exp", [](double x) { return std::exp(x); }},
    {UnaryOp::Sqrt, "sqrt", [](double x) { return 0.5 / std::sqrt(x); }},
    {UnaryOp::Square, "square", [](double x) { return 2 * x; }},
    {UnaryOp::Reciprocal, "reciprocal", [](double x) { return -1 / (x * x); }},
};

const UnaryRow& row_of(UnaryOp op) {
  for (const UnaryRow& row : kUnary)
    if (row.op == op) return row;
  NIBBLE_CHECK(false, "unary op {}", static_cast<int>(op));
}

Value unary_gradient(Value x, Value grad, UnaryOp op);

class Unary : public Op {
 public:
  explicit Unary(UnaryOp op) : op_(op) {}
  const char* name() const override { return row_of(op_).name; }
  int in_place_of() const override { return 0; }
  TensorType infer(std::span<const TensorType> in) const override { return in[0]; }
  void run(const RunArgs& args) const override {
    const auto& kernel = kernel_of(args);
    parallel_rows(args.context, args.out.type.shape.count(), 1, [&](int64_t begin, int64_t end) {
      kernel.unary(op_, element_at(args.in[0], begin), element_at(args.out, begin), end - begin);
    });
  }
  std::vector<Value> gradient(const GradientArgs& g) const override { return {unary_gradient(g.in[0], g.grad, op_)}; }

 private:
  UnaryOp op_;
};

// Inputs x and dy: f'(x) · dy.
class UnaryGradient : public Op {
 public:
  explicit UnaryGradient(UnaryOp op) : op_(op) {}
  const char* name() const override { return "unary_gradient"; }
  TensorType infer(std::span<const TensorType> in) const override { return in[0]; }
  void run(const RunArgs& args) const override {
    NIBBLE_CHECK(args.out.type.dtype == DType::F32, "gradients are float32");
    const UnaryRow& row = row_of(op_);
    const float *x = args.in[0].as<float>(), *dy = args.in[1].as<float>();
    float* dx = args.out.as<float>();
    parallel_rows(args.context, args.out.type.shape.count(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) dx[i] = static_cast<float>(row.derivative(x[i])) * dy[i];
    });
  }

 private:
  UnaryOp op_;
};

class Scale : public Op {
 public:
  Scale(float factor, float offset) : factor_(factor), offset_(offset) {}
  const char* name() const override { return "scale"; }
  int in_place_of() const override { return 0; }
  TensorType infer(std::span<const TensorType> in) const override { return in[0]; }
  void run(const RunArgs& args) const override {
    const auto& kernel = kernel_of(args);
    parallel_rows(args.context, args.out.type.shape.count(), 1, [&](int64_t begin, int64_t end) {
      kernel.scale_add(factor_, element_at(args.in[0], begin), 0, nullptr, offset_, element_at(args.out, begin),
                       end - begin);
    });
  }
  std::vector<Value> gradient(const GradientArgs& g) const override { return {scale(g.grad, factor_)}; }

 private:
  float factor_, offset_;
};

// How b repeats over a: one element, one row [C], one row per image [N, 1…, C], or not at all.
enum class Repeat { None, Scalar, Row, ImageRow };

constexpr const char* kBinaryNames[] = {"add", "sub", "mul", "div"};

class Binary : public Op {
 public:
  explicit Binary(BinaryOp op) : op_(op) {}
  const char* name() const override { return kBinaryNames[static_cast<int>(op_)]; }
  int in_place_of() const override { return 0; }

  TensorType infer(std::span<const TensorType> in) const override {
    repeat(in[0].shape, in[1].shape);
    if (in[0].dtype != in[1].dtype && in[1].shape.count() != 1)
      fail(ErrorCode::InvalidArgument, "{}: {} and {}", name(), to_string(in[0].dtype), to_string(in[1].dtype));
    return in[0];
  }

  void run(const RunArgs& args) const override {
    const auto& kernel = kernel_of(args);
    const Shape& shape = args.out.type.shape;
    const TensorRef &a = args.in[0], &b = args.in[1], &y = args.out;
    const int64_t columns = shape.rank() > 0 ? shape[-1] : 1, rows = shape.count() / std::max<int64_t>(columns, 1);
    switch (repeat(a.type.shape, b.type.shape)) {
      case Repeat::None:
        parallel_rows(args.context, shape.count(), 1, [&](int64_t i, int64_t end) {
          kernel.binary(op_, element_at(a, i), element_at(b, i), element_at(y, i), end - i);
        });
        break;
      case Repeat::Scalar: {
        const float value = b.type.dtype == DType::F32 ? *b.as<float>() : to_float(*b.as<BFloat16>());
        parallel_rows(args.context, shape.count(), 1, [&](int64_t i, int64_t end) {
          kernel.binary_scalar(op_, element_at(a, i), value, element_at(y, i), end - i);
        });
        break;
      }
      case Repeat::Row: run_rows(args, kernel, 0, rows, columns, 0); break;
      case Repeat::ImageRow: {
        const int64_t per_image = rows / std::max<int64_t>(shape[0], 1);
        for (int64_t n = 0; n < shape[0]; ++n) run_rows(args, kernel, n * per_image, per_image, columns, n * columns);
        break;
      }
    }
  }

  std::vector<Value> gradient(const GradientArgs& g) const override {
    std::vector<Value> out(2);
    const Value a = g.in[0], b = g.in[1], dy = g.grad;
    switch (op_) {
      case BinaryOp::Add: out = {dy, g.wanted[1] ? fold(dy, b) : Value()}; break;
      case BinaryOp::Sub: out = {dy, g.wanted[1] ? fold(scale(dy, -1), b) : Value()}; break;
      case BinaryOp::Mul:
        out = {g.wanted[0] ? mul(dy, b) : Value(), g.wanted[1] ? fold(mul(dy, a), b) : Value()};
        break;
      default:
        out = {g.wanted[0] ? div(dy, b) : Value(),
               g.wanted[1] ? fold(scale(div(mul(dy, g.out), b), -1), b) : Value()};
    }
    return out;
  }

 private:
  Repeat repeat(const Shape& a, const Shape& b) const {
    if (a == b) return Repeat::None;
    if (b.count() == 1) return Repeat::Scalar;
    if (a.rank() >= 1 && b.count() == a[-1] && b[-1] == a[-1]) return Repeat::Row;
    const bool per_image = a.rank() >= 2 && b.rank() >= 2 && b[0] == a[0] && b[-1] == a[-1] && b.count() == a[0] * a[-1];
    if (per_image) return Repeat::ImageRow;
    fail(ErrorCode::InvalidArgument, "{}: shapes {} and {} do not fit", name(), to_string(a), to_string(b));
  }

  void run_rows(const RunArgs& args, const kernels::EltwiseKernel& kernel, int64_t first, int64_t rows, int64_t columns,
                int64_t b_offset) const {
    parallel_rows(args.context, rows, columns, [&](int64_t begin, int64_t end) {
      const int64_t i = (first + begin) * columns;
      kernel.binary_row(op_, element_at(args.in[0], i), element_at(args.in[1], b_offset), element_at(args.out, i),
                        end - begin, columns);
    });
  }

  // Sums a gradient of a's shape to b's.
  Value fold(Value grad, Value b) const {
    switch (repeat(grad.shape(), b.shape())) {
      case Repeat::None: return grad;
      case Repeat::Scalar: return reshape(sum_all(grad), b.shape());
      case Repeat::Row: return reshape(sum_rows(grad), b.shape());
      default: return sum_images(grad, b.shape());
    }
  }

  BinaryOp op_;
};

class Geglu : public Op {
 public:
  const char* name() const override { return "geglu"; }
  TensorType infer(std::span<const TensorType> in) const override {
    Shape shape = in[0].shape;
    if (shape[-1] % 2 != 0) fail(ErrorCode::InvalidArgument, "geglu: odd width {}", to_string(shape));
    shape[-1] /= 2;
    return {in[0].dtype, shape};
  }
  void run(const RunArgs& args) const override {
    const auto& kernel = kernel_of(args);
    const int64_t columns = args.out.type.shape[-1], rows = args.out.type.shape.count() / columns;
    parallel_rows(args.context, rows, 2 * columns, [&](int64_t begin, int64_t end) {
      kernel.glu(UnaryOp::GeluErf, kernels::GateOrder::ValueFirst, element_at(args.in[0], begin * 2 * columns),
                 element_at(args.out, begin * columns), end - begin, columns);
    });
  }
  std::vector<Value> gradient(const GradientArgs& g) const override {
    const int64_t half = g.out.dim(-1);
    const int last = g.out.shape().rank() - 1;
    const Value value = slice(g.in[0], last, 0, half), gate = slice(g.in[0], last, half, 2 * half);
    return {concat({mul(g.grad, gelu(gate)), unary_gradient(gate, mul(g.grad, value), UnaryOp::GeluErf)}, last)};
  }
};

class Cast : public Op {
 public:
  explicit Cast(DType to) : to_(to) {}
  const char* name() const override { return "cast"; }
  TensorType infer(std::span<const TensorType> in) const override { return {to_, in[0].shape}; }
  void run(const RunArgs& args) const override {
    const auto& kernel = kernels::select_cast(args.context.cpu);
    parallel_rows(args.context, args.out.type.shape.count(), 1, [&](int64_t begin, int64_t end) {
      kernel.cast(args.in[0].type.dtype, element_at(args.in[0], begin), to_, element_at(args.out, begin), end - begin);
    });
  }
  std::vector<Value> gradient(const GradientArgs& g) const override { return {cast(g.grad, g.in[0].dtype())}; }

 private:
  DType to_;
};

Value unary(Value x, UnaryOp op) { return x.graph().record(std::make_shared<Unary>(op), {x}); }
Value unary_gradient(Value x, Value grad, UnaryOp op) {
  return x.graph().record(std::make_shared<UnaryGradient>(op), {x, grad});
}
Value binary(Value a, Value b, BinaryOp op) { return a.graph().record(std::make_shared<Binary>(op), {a, b}); }

}  // namespace

Value silu(Value x) { return unary(x, UnaryOp::Silu); }
Value gelu(Value x) { return unary(x, UnaryOp::GeluErf); }
Value gelu_tanh(Value x) { return unary(x, UnaryOp::GeluTanh); }
Value quick_gelu(Value x) { return unary(x, UnaryOp::QuickGelu); }
Value relu(Value x) { return unary(x, UnaryOp::Relu); }
Value sigmoid(Value x) { return unary(x, UnaryOp::Sigmoid); }
Value tanh(Value x) { return unary(x, UnaryOp::Tanh); }
Value exp(Value x) { return unary(x, UnaryOp::Exp); }
Value sqrt(Value x) { return unary(x, UnaryOp::Sqrt); }
Value square(Value x) { return unary(x, UnaryOp::Square); }
Value reciprocal(Value x) { return unary(x, UnaryOp::Reciprocal); }
Value scale(Value x, float factor, float offset) {
  return x.graph().record(std::make_shared<Scale>(factor, offset), {x});
}
Value add(Value a, Value b) { return binary(a, b, BinaryOp::Add); }
Value sub(Value a, Value b) { return binary(a, b, BinaryOp::Sub); }
Value mul(Value a, Value b) { return binary(a, b, BinaryOp::Mul); }
Value div(Value a, Value b) { return binary(a, b, BinaryOp::Div); }
Value geglu(Value x) { return x.graph().record(std::make_shared<Geglu>(), {x}); }
Value cast(Value x, DType dtype) {
  return x.dtype() == dtype ? x : x.graph().record(std::make_shared<Cast>(dtype), {x});
}

}  // namespace nibble::ops
