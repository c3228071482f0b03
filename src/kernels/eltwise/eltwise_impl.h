// The element-wise kernels over the Vec of the including eltwise_<isa>.cc. The last, incomplete vector goes through the
// same arithmetic as the others, so a value does not depend on its place.
#pragma once

#include "kernels/eltwise/table.h"

namespace nibble::kernels {
namespace {

constexpr int64_t kWidth = Vec::kWidth;

struct Whole {
  template <typename T>
  static Vec get(const void* p, int64_t i, int64_t) {
    return load(static_cast<const T*>(p) + i);
  }
  template <typename T>
  static void put(void* p, int64_t i, int64_t, Vec value) {
    store(static_cast<T*>(p) + i, value);
  }
};

struct Part {
  template <typename T>
  static Vec get(const void* p, int64_t i, int64_t n) {
    return load_part(static_cast<const T*>(p) + i, n);
  }
  template <typename T>
  static void put(void* p, int64_t i, int64_t n, Vec value) {
    store_part(static_cast<T*>(p) + i, value, n);
  }
};

// y[i] = f(i-th inputs); f gets a loader that reads lane group i of any array.
template <typename T, typename Function>
NIBBLE_INLINE void map(void* y, int64_t count, Function f) {
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth)
    Whole::put<T>(y, i, kWidth, f([i](const void* p) { return Whole::get<T>(p, i, kWidth); }));
  if (const int64_t n = count - i; n > 0)
    Part::put<T>(y, i, n, f([i, n](const void* p) { return Part::get<T>(p, i, n); }));
}

template <typename Function>
NIBBLE_INLINE Vec by_lane(Vec x, Function f) {
  float lanes[kWidth];
  store(lanes, x);
  for (float& lane : lanes) lane = f(lane);
  return load(lanes);
}

template <UnaryOp op>
NIBBLE_INLINE Vec apply(Vec x) {
  if constexpr (op == UnaryOp::Neg) return -x;
  if constexpr (op == UnaryOp::Abs) return abs(x);
  if constexpr (op == UnaryOp::Square) return x * x;
  if constexpr (op == UnaryOp::Sqrt) return sqrt(x);
  if constexpr (op == UnaryOp::Rsqrt) return set(1.0f) / sqrt(x);
  if constexpr (op == UnaryOp::Reciprocal) return set(1.0f) / x;
  if constexpr (op == UnaryOp::Exp) return exp(x);
  if constexpr (op == UnaryOp::Log) return by_lane(x, [](float v) { return __builtin_logf(v); });
  if constexpr (op == UnaryOp::Sin) return by_lane(x, [](float v) { return __builtin_sinf(v); });
  if constexpr (op == UnaryOp::Cos) return by_lane(x, [](float v) { return __builtin_cosf(v); });
  if constexpr (op == UnaryOp::Tanh) return tanh(x);
  if constexpr (op == UnaryOp::Sigmoid) return sigmoid(x);
  if constexpr (op == UnaryOp::Relu) return max(set(0.0f), x);
  if constexpr (op == UnaryOp::Silu) return x * sigmoid(x);
  if constexpr (op == UnaryOp::GeluErf) {
    const Vec half = x * set(0.5f);
    return fma(half, erf(x * set(0.70710678f)), half);
  }
  if constexpr (op == UnaryOp::GeluTanh) {
    const Vec inner = fma(x * x, x * set(0.044715f), x);
    return x * sigmoid(inner * set(1.59576912f));
  }
  if constexpr (op == UnaryOp::QuickGelu) return x * sigmoid(x * set(1.702f));
  return x;
}

template <BinaryOp op>
NIBBLE_INLINE Vec apply(Vec a, Vec b) {
  if constexpr (op == BinaryOp::Add) return a + b;
  if constexpr (op == BinaryOp::Sub) return a - b;
  if constexpr (op == BinaryOp::Mul) return a * b;
  if constexpr (op == BinaryOp::Div) return a / b;
  if constexpr (op == BinaryOp::Min) return min(b, a);
  return max(b, a);
}

// Calls f with the operation as a compile-time constant.
template <UnaryOp op>
struct UnaryTag {
  static constexpr UnaryOp kOp = op;
};
template <BinaryOp op>
struct BinaryTag {
  static constexpr BinaryOp kOp = op;
};

template <typename Function>
void dispatch(UnaryOp op, Function f) {
  switch (op) {
    case UnaryOp::Identity:
      return f(UnaryTag<UnaryOp::Identity>());
    case UnaryOp::Neg:
      return f(UnaryTag<UnaryOp::Neg>());
    case UnaryOp::Abs:
      return f(UnaryTag<UnaryOp::Abs>());
    case UnaryOp::Square:
      return f(UnaryTag<UnaryOp::Square>());
    case UnaryOp::Sqrt:
      return f(UnaryTag<UnaryOp::Sqrt>());
    case UnaryOp::Rsqrt:
      return f(UnaryTag<UnaryOp::Rsqrt>());
    case UnaryOp::Reciprocal:
      return f(UnaryTag<UnaryOp::Reciprocal>());
    case UnaryOp::Exp:
      return f(UnaryTag<UnaryOp::Exp>());
    case UnaryOp::Log:
      return f(UnaryTag<UnaryOp::Log>());
    case UnaryOp::Sin:
      return f(UnaryTag<UnaryOp::Sin>());
    case UnaryOp::Cos:
      return f(UnaryTag<UnaryOp::Cos>());
    case UnaryOp::Tanh:
      return f(UnaryTag<UnaryOp::Tanh>());
    case UnaryOp::Sigmoid:
      return f(UnaryTag<UnaryOp::Sigmoid>());
    case UnaryOp::Relu:
      return f(UnaryTag<UnaryOp::Relu>());
    case UnaryOp::Silu:
      return f(UnaryTag<UnaryOp::Silu>());
    case UnaryOp::GeluErf:
      return f(UnaryTag<UnaryOp::GeluErf>());
    case UnaryOp::GeluTanh:
      return f(UnaryTag<UnaryOp::GeluTanh>());
    case UnaryOp::QuickGelu:
      return f(UnaryTag<UnaryOp::QuickGelu>());
  }
}

template <typename Function>
void dispatch(BinaryOp op, Function f) {
  switch (op) {
    case BinaryOp::Add:
      return f(BinaryTag<BinaryOp::Add>());
    case BinaryOp::Sub:
      return f(BinaryTag<BinaryOp::Sub>());
    case BinaryOp::Mul:
      return f(BinaryTag<BinaryOp::Mul>());
    case BinaryOp::Div:
      return f(BinaryTag<BinaryOp::Div>());
    case BinaryOp::Min:
      return f(BinaryTag<BinaryOp::Min>());
    case BinaryOp::Max:
      return f(BinaryTag<BinaryOp::Max>());
  }
}

template <typename T>
struct Eltwise {
  static const T* at(const void* p, int64_t i) { return static_cast<const T*>(p) + i; }
  static T* at(void* p, int64_t i) { return static_cast<T*>(p) + i; }
  static float value(const T* p) {
    float lanes[kWidth];
    store(lanes, load_part(p, 1));
    return lanes[0];
  }

  static void unary(UnaryOp op, const void* x, void* y, int64_t count) {
    dispatch(op, [=](auto tag) { map<T>(y, count, [=](auto get) { return apply<tag.kOp>(get(x)); }); });
  }

  static void binary(BinaryOp op, const void* a, const void* b, void* y, int64_t count) {
    dispatch(op, [=](auto tag) { map<T>(y, count, [=](auto get) { return apply<tag.kOp>(get(a), get(b)); }); });
  }

  static void binary_row(BinaryOp op, const void* a, const void* b, void* y, int64_t rows, int64_t columns) {
    dispatch(op, [=](auto tag) {
      for (int64_t r = 0; r < rows; ++r) {
        const T* row = at(a, r * columns);
        map<T>(at(y, r * columns), columns, [=](auto get) { return apply<tag.kOp>(get(row), get(b)); });
      }
    });
  }

  static void binary_column(BinaryOp op, const void* a, const void* b, void* y, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows; ++r)
      binary_scalar(op, at(a, r * columns), value(at(b, r)), at(y, r * columns), columns);
  }

  static void binary_scalar(BinaryOp op, const void* a, float b, void* y, int64_t count) {
    dispatch(op, [=](auto tag) { map<T>(y, count, [=](auto get) { return apply<tag.kOp>(get(a), set(b)); }); });
  }

  static void scale_add(float alpha, const void* x, float beta, const void* z, float gamma, void* y, int64_t count) {
    if (z == nullptr) return map<T>(y, count, [=](auto get) { return fma(set(alpha), get(x), set(gamma)); });
    map<T>(y, count, [=](auto get) { return fma(set(alpha), get(x), fma(set(beta), get(z), set(gamma))); });
  }

  static void clamp(const void* x, float low, float high, void* y, int64_t count) {
    map<T>(y, count, [=](auto get) { return min(set(high), max(set(low), get(x))); });
  }

  static void glu(UnaryOp op, GateOrder order, const void* x, void* y, int64_t rows, int64_t columns) {
    const int64_t value_at = order == GateOrder::ValueFirst ? 0 : columns;
    dispatch(op, [=](auto tag) {
      for (int64_t r = 0; r < rows; ++r) {
        const T* values = at(x, 2 * r * columns + value_at);
        const T* gates = at(x, 2 * r * columns + columns - value_at);
        map<T>(at(y, r * columns), columns, [=](auto get) { return get(values) * apply<tag.kOp>(get(gates)); });
      }
    });
  }

  static void modulate(const void* x, const void* scale, const void* shift, void* y, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows; ++r) {
      const T* row = at(x, r * columns);
      map<T>(at(y, r * columns), columns, [=](auto get) { return fma(get(row), set(1.0f) + get(scale), get(shift)); });
    }
  }

  static void gated_add(const void* x, const void* gate, const void* z, void* y, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows; ++r) {
      const T *row = at(x, r * columns), *added = at(z, r * columns);
      map<T>(at(y, r * columns), columns, [=](auto get) { return fma(get(gate), get(added), get(row)); });
    }
  }

  static constexpr EltwiseKernel kernel(const char* name, DType dtype, Isa isa = kIsa) {
    return {name,          isa,       dtype, unary, binary,   binary_row, binary_column,
            binary_scalar, scale_add, clamp, glu,   modulate, gated_add};
  }
};

template <typename From, typename To>
void convert(const void* x, void* y, int64_t count) {
  const From* from = static_cast<const From*>(x);
  To* to = static_cast<To*>(y);
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) store(to + i, load(from + i));
  if (i < count) store_part(to + i, load_part(from + i, count - i), count - i);
}

template <typename From>
void convert_to(DType to, const void* x, void* y, int64_t count) {
  if (to == DType::F32) convert<From, float>(x, y, count);
  if (to == DType::F16) convert<From, Float16>(x, y, count);
  if (to == DType::BF16) convert<From, BFloat16>(x, y, count);
}

void cast_arrays(DType from, const void* x, DType to, void* y, int64_t count) {
  if (from == DType::F32) convert_to<float>(to, x, y, count);
  if (from == DType::F16) convert_to<Float16>(to, x, y, count);
  if (from == DType::BF16) convert_to<BFloat16>(to, x, y, count);
}

}  // namespace
}  // namespace nibble::kernels
