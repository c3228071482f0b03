// The oracle: every map in double precision, rounded once.
#include <algorithm>
#include <cmath>

#include "kernels/eltwise/table.h"

namespace nibble::kernels {
namespace {

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double apply(UnaryOp op, double x) {
  switch (op) {
    case UnaryOp::Identity:
      return x;
    case UnaryOp::Neg:
      return -x;
    case UnaryOp::Abs:
      return std::fabs(x);
    case UnaryOp::Square:
      return x * x;
    case UnaryOp::Sqrt:
      return std::sqrt(x);
    case UnaryOp::Rsqrt:
      return 1.0 / std::sqrt(x);
    case UnaryOp::Reciprocal:
      return 1.0 / x;
    case UnaryOp::Exp:
      return std::exp(x);
    case UnaryOp::Log:
      return std::log(x);
    case UnaryOp::Sin:
      return std::sin(x);
    case UnaryOp::Cos:
      return std::cos(x);
    case UnaryOp::Tanh:
      return std::tanh(x);
    case UnaryOp::Sigmoid:
      return sigmoid(x);
    case UnaryOp::Relu:
      return x < 0.0 ? 0.0 : x;
    case UnaryOp::Silu:
      return x * sigmoid(x);
    case UnaryOp::GeluErf:
      return 0.5 * x * std::erfc(-x * 0.70710678118654752440);
    case UnaryOp::GeluTanh:
      return x * sigmoid(1.5957691216057307117 * (x + 0.044715 * x * x * x));
    case UnaryOp::QuickGelu:
      return x * sigmoid(1.702 * x);
  }
  return x;
}

float apply(BinaryOp op, float a, float b) {
  switch (op) {
    case BinaryOp::Add:
      return a + b;
    case BinaryOp::Sub:
      return a - b;
    case BinaryOp::Mul:
      return a * b;
    case BinaryOp::Div:
      return a / b;
    case BinaryOp::Min:
      return std::min(a, b);
    case BinaryOp::Max:
      return std::max(a, b);
  }
  return a;
}

template <typename T>
struct Scalar {
  static float get(const void* x, int64_t i) { return to_float(static_cast<const T*>(x)[i]); }
  static void put(void* y, int64_t i, double value) {
    static_cast<T*>(y)[i] = from_float<T>(static_cast<float>(value));
  }

  static void unary(UnaryOp op, const void* x, void* y, int64_t count) {
    for (int64_t i = 0; i < count; ++i) put(y, i, apply(op, static_cast<double>(get(x, i))));
  }
  static void binary(BinaryOp op, const void* a, const void* b, void* y, int64_t count) {
    for (int64_t i = 0; i < count; ++i) put(y, i, apply(op, get(a, i), get(b, i)));
  }
  static void binary_row(BinaryOp op, const void* a, const void* b, void* y, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows * columns; ++i) put(y, i, apply(op, get(a, i), get(b, i % columns)));
  }
  static void binary_column(BinaryOp op, const void* a, const void* b, void* y, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows * columns; ++i) put(y, i, apply(op, get(a, i), get(b, i / columns)));
  }
  static void binary_scalar(BinaryOp op, const void* a, float b, void* y, int64_t count) {
    for (int64_t i = 0; i < count; ++i) put(y, i, apply(op, get(a, i), b));
  }
  static void scale_add(float alpha, const void* x, float beta, const void* z, float gamma, void* y, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const double scaled = z ? static_cast<double>(beta) * get(z, i) : 0.0;
      put(y, i, static_cast<double>(alpha) * get(x, i) + scaled + gamma);
    }
  }
  static void clamp(const void* x, float low, float high, void* y, int64_t count) {
    for (int64_t i = 0; i < count; ++i) put(y, i, std::min(std::max(get(x, i), low), high));
  }
  static void glu(UnaryOp op, GateOrder order, const void* x, void* y, int64_t rows, int64_t columns) {
    const int64_t value = order == GateOrder::ValueFirst ? 0 : columns;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        const int64_t row = r * 2 * columns;
        const double gate = apply(op, static_cast<double>(get(x, row + columns - value + c)));
        put(y, r * columns + c, get(x, row + value + c) * gate);
      }
  }
  static void modulate(const void* x, const void* scale, const void* shift, void* y, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows * columns; ++i)
      put(y, i, get(x, i) * (1.0 + get(scale, i % columns)) + get(shift, i % columns));
  }
  static void gated_add(const void* x, const void* gate, const void* z, void* y, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows * columns; ++i)
      put(y, i, static_cast<double>(get(gate, i % columns)) * get(z, i) + get(x, i));
  }

  static constexpr EltwiseKernel kernel(const char* name, DType dtype) {
    return {name,          Isa::Scalar, dtype, unary, binary,   binary_row, binary_column,
            binary_scalar, scale_add,   clamp, glu,   modulate, gated_add};
  }
};

template <typename From, typename To>
void convert(const void* x, void* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) static_cast<To*>(y)[i] = from_float<To>(to_float(static_cast<const From*>(x)[i]));
}

template <typename From>
void convert_to(DType to, const void* x, void* y, int64_t count) {
  if (to == DType::F32) convert<From, float>(x, y, count);
  if (to == DType::F16) convert<From, Float16>(x, y, count);
  if (to == DType::BF16) convert<From, BFloat16>(x, y, count);
}

void cast(DType from, const void* x, DType to, void* y, int64_t count) {
  if (from == DType::F32) convert_to<float>(to, x, y, count);
  if (from == DType::F16) convert_to<Float16>(to, x, y, count);
  if (from == DType::BF16) convert_to<BFloat16>(to, x, y, count);
}

}  // namespace

constexpr EltwiseKernel eltwise_f32_scalar = Scalar<float>::kernel("eltwise_f32_scalar", DType::F32);
constexpr EltwiseKernel eltwise_bf16_scalar = Scalar<BFloat16>::kernel("eltwise_bf16_scalar", DType::BF16);
constexpr CastKernel cast_scalar = {"cast_scalar", Isa::Scalar, cast};

}  // namespace nibble::kernels
