// Every element-wise kernel against double-precision formulas, around each vector width, in every storage type.
#include <algorithm>

#include "kernels/eltwise/table.h"
#include "kernels/simd/test_data.h"

namespace nibble::kernels {
namespace {

constexpr int64_t kCounts[] = {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100};
constexpr BinaryOp kBinaryOps[] = {BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul,
                                   BinaryOp::Div, BinaryOp::Min, BinaryOp::Max};

struct UnaryCase {
  UnaryOp op;
  float low, high;
  double (*exact)(double);
  double ulps;      // relative error beyond the storage rounding, in float units
  double absolute;  // per max(1, |x|)
};

double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }

const UnaryCase kUnaryCases[] = {
    {UnaryOp::Identity, -10, 10, [](double x) { return x; }, 0, 0},
    {UnaryOp::Neg, -10, 10, [](double x) { return -x; }, 0, 0},
    {UnaryOp::Abs, -10, 10, [](double x) { return std::fabs(x); }, 0, 0},
    {UnaryOp::Square, -10, 10, [](double x) { return x * x; }, 1, 0},
    {UnaryOp::Sqrt, 0, 1000, [](double x) { return std::sqrt(x); }, 1, 0},
    {UnaryOp::Rsqrt, 0.001f, 1000, [](double x) { return 1.0 / std::sqrt(x); }, 2, 0},
    {UnaryOp::Reciprocal, 0.01f, 100, [](double x) { return 1.0 / x; }, 1, 0},
    {UnaryOp::Exp, -87, 88, [](double x) { return std::exp(x); }, 3, 0},
    {UnaryOp::Exp, -1, 1, [](double x) { return std::exp(x); }, 3, 0},
    {UnaryOp::Log, 0.001f, 1000, [](double x) { return std::log(x); }, 2, 0},
    {UnaryOp::Sin, -1000, 1000, [](double x) { return std::sin(x); }, 2, 0},
    {UnaryOp::Cos, -1000, 1000, [](double x) { return std::cos(x); }, 2, 0},
    {UnaryOp::Tanh, -10, 10, [](double x) { return std::tanh(x); }, 4, 0},
    {UnaryOp::Tanh, -0.1f, 0.1f, [](double x) { return std::tanh(x); }, 4, 0},
    {UnaryOp::Sigmoid, -80, 80, logistic, 4, 0},
    {UnaryOp::Relu, -10, 10, [](double x) { return std::max(x, 0.0); }, 0, 0},
    {UnaryOp::Silu, -80, 80, [](double x) { return x * logistic(x); }, 5, 0},
    {UnaryOp::GeluErf, -40, 40, [](double x) { return 0.5 * x * std::erfc(-x * std::sqrt(0.5)); }, 4, 2e-7},
    {UnaryOp::GeluErf, -5, 5, [](double x) { return 0.5 * x * std::erfc(-x * std::sqrt(0.5)); }, 4, 2e-7},
    {UnaryOp::GeluTanh, -4, 10,
     [](double x) { return x * logistic(2.0 * std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)); }, 40, 0},
    // 1.702 as a float, its product with x and exp each err by up to one unit of the exponent 68.
    {UnaryOp::QuickGelu, -40, 40, [](double x) { return x * logistic(1.702 * x); }, 140, 0},
};

double tolerance(const UnaryCase& c, DType dtype, double x, double y) {
  return storage_epsilon(dtype) * std::fabs(y) + c.ulps * 0x1p-24 * std::fabs(y) +
         c.absolute * std::max(1.0, std::fabs(x)) + 0x1p-149;
}

TEST(Eltwise, Unary_matches_double) {
  for (const EltwiseKernel* kernel : runnable(kEltwiseKernels))
    for (const UnaryCase& c : kUnaryCases)
      for (const int64_t count : {int64_t{5}, int64_t{1003}}) {
        const Array x = Array::uniform(kernel->dtype, count, c.low, c.high);
        Array y(kernel->dtype, count);
        kernel->unary(c.op, x.data(), y.data(), count);
        for (int64_t i = 0; i < count; ++i) {
          const double want = c.exact(x[i]);
          ASSERT_NEAR(y[i], want, tolerance(c, kernel->dtype, x[i], want))
              << kernel->name << " op " << static_cast<int>(c.op) << " x " << x[i];
        }
        ASSERT_TRUE(y.guards_whole()) << kernel->name;
      }
}

// The constants that tell the two apart: 0.5 (1 + erf(1 / sqrt 2)) and 1 / (1 + exp(-1.702)).
TEST(Eltwise, Gelu_of_one_is_not_quick_gelu_of_one) {
  struct Row {
    UnaryOp op;
    double want;
  };
  for (const EltwiseKernel* kernel : runnable(kEltwiseKernels))
    for (const Row& row : {Row{UnaryOp::GeluErf, 0.841344746069}, Row{UnaryOp::QuickGelu, 0.845795765933}}) {
      Array x(kernel->dtype, 1), y(kernel->dtype, 1);
      x.set(0, 1);
      kernel->unary(row.op, x.data(), y.data(), 1);
      // 3e-7: the series of erf, 2e-7, and a float's rounding; half a unit of the storage.
      EXPECT_NEAR(y[0], row.want, 3e-7 + storage_epsilon(kernel->dtype) * row.want) << kernel->name;
    }
}

TEST(Eltwise, Unary_at_the_ends_of_float) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const EltwiseKernel* kernel : runnable(kEltwiseKernels)) {
    const auto value = [&](UnaryOp op, float input) {
      Array x(kernel->dtype, 1), y(kernel->dtype, 1);
      x.set(0, input);
      kernel->unary(op, x.data(), y.data(), 1);
      return y[0];
    };
    EXPECT_EQ(value(UnaryOp::Exp, infinity), infinity) << kernel->name;
    EXPECT_EQ(value(UnaryOp::Exp, 90.0f), infinity) << kernel->name;
    EXPECT_EQ(value(UnaryOp::Exp, -infinity), 0.0) << kernel->name;
    EXPECT_EQ(value(UnaryOp::Sigmoid, -1000.0f), 0.0) << kernel->name;
    EXPECT_EQ(value(UnaryOp::Sigmoid, 1000.0f), 1.0) << kernel->name;
    EXPECT_EQ(value(UnaryOp::Tanh, -infinity), -1.0) << kernel->name;
    EXPECT_EQ(value(UnaryOp::GeluErf, -1000.0f), 0.0) << kernel->name;
    EXPECT_EQ(value(UnaryOp::GeluErf, 1000.0f), to_float(to_bf16(1000.0f))) << kernel->name;
    for (const UnaryOp op : {UnaryOp::Exp, UnaryOp::Silu, UnaryOp::Relu, UnaryOp::Tanh, UnaryOp::GeluErf})
      EXPECT_TRUE(std::isnan(value(op, nan))) << kernel->name << " op " << static_cast<int>(op);
  }
}

double exact(BinaryOp op, double a, double b) {
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
  return 0.0;
}

// One rounding to float, one to storage.
double rounding(DType dtype, double scale) { return (storage_epsilon(dtype) + 0x1p-23) * scale + 0x1p-149; }

TEST(Eltwise, Binary_forms_match_double) {
  for (const EltwiseKernel* kernel : runnable(kEltwiseKernels))
    for (const BinaryOp op : kBinaryOps)
      for (const int64_t columns : kCounts) {
        const int64_t rows = 3, count = rows * columns;
        const Array a = Array::uniform(kernel->dtype, count, -3, 3), b = Array::uniform(kernel->dtype, count, 0.1f, 3);
        Array y(kernel->dtype, count);
        const auto check = [&](const char* form, auto other) {
          for (int64_t i = 0; i < count; ++i) {
            const double want = exact(op, a[i], other(i));
            ASSERT_NEAR(y[i], want, rounding(kernel->dtype, std::fabs(want))) << kernel->name << ' ' << form;
          }
          ASSERT_TRUE(y.guards_whole()) << kernel->name << ' ' << form;
        };
        kernel->binary(op, a.data(), b.data(), y.data(), count);
        check("whole", [&](int64_t i) { return b[i]; });
        kernel->binary_row(op, a.data(), b.data(), y.data(), rows, columns);
        check("row", [&](int64_t i) { return b[i % columns]; });
        kernel->binary_column(op, a.data(), b.data(), y.data(), rows, columns);
        check("column", [&](int64_t i) { return b[i / columns]; });
        kernel->binary_scalar(op, a.data(), 1.25f, y.data(), count);
        check("scalar", [&](int64_t) { return 1.25; });
      }
}

TEST(Eltwise, Combinations_match_double) {
  for (const EltwiseKernel* kernel : runnable(kEltwiseKernels))
    for (const int64_t columns : kCounts) {
      const int64_t rows = 3, count = rows * columns;
      const Array x = Array::uniform(kernel->dtype, count, -3, 3), z = Array::uniform(kernel->dtype, count, -3, 3);
      const Array row = Array::uniform(kernel->dtype, columns, -2, 2),
                  row2 = Array::uniform(kernel->dtype, columns, -2, 2);
      Array y(kernel->dtype, count);
      const auto check = [&](const char* form, double scale, auto want) {
        for (int64_t i = 0; i < count; ++i)
          ASSERT_NEAR(y[i], want(i), rounding(kernel->dtype, std::fabs(want(i))) + 0x1p-22 * scale)
              << kernel->name << ' ' << form << ' ' << columns;
        ASSERT_TRUE(y.guards_whole()) << kernel->name << ' ' << form;
      };
      kernel->scale_add(1.5f, x.data(), -0.75f, z.data(), 0.5f, y.data(), count);
      check("scale_add", 8, [&](int64_t i) { return 1.5 * x[i] - 0.75 * z[i] + 0.5; });
      kernel->scale_add(1.5f, x.data(), -0.75f, nullptr, 0.5f, y.data(), count);
      check("scale", 5, [&](int64_t i) { return 1.5 * x[i] + 0.5; });
      kernel->clamp(x.data(), -1.0f, 2.0f, y.data(), count);
      check("clamp", 0, [&](int64_t i) { return std::clamp(x[i], -1.0, 2.0); });
      kernel->modulate(x.data(), row.data(), row2.data(), y.data(), rows, columns);
      check("modulate", 11, [&](int64_t i) { return x[i] * (1.0 + row[i % columns]) + row2[i % columns]; });
      kernel->gated_add(x.data(), row.data(), z.data(), y.data(), rows, columns);
      check("gated_add", 9, [&](int64_t i) { return x[i] + row[i % columns] * z[i]; });
    }
}

TEST(Eltwise, Glu_multiplies_by_the_mapped_gate) {
  for (const EltwiseKernel* kernel : runnable(kEltwiseKernels))
    for (const int64_t columns : kCounts)
      for (const GateOrder order : {GateOrder::ValueFirst, GateOrder::GateFirst}) {
        const int64_t rows = 3;
        const Array x = Array::uniform(kernel->dtype, rows * columns * 2, -4, 4);
        Array y(kernel->dtype, rows * columns);
        kernel->glu(UnaryOp::GeluErf, order, x.data(), y.data(), rows, columns);
        for (int64_t i = 0; i < rows * columns; ++i) {
          const int64_t first = i / columns * 2 * columns + i % columns, second = first + columns;
          const double value = x[order == GateOrder::ValueFirst ? first : second];
          const double gate = x[order == GateOrder::ValueFirst ? second : first];
          const double want = value * 0.5 * gate * std::erfc(-gate * std::sqrt(0.5));
          ASSERT_NEAR(y[i], want, rounding(kernel->dtype, std::fabs(want)) + 8e-7 * std::fabs(value)) << kernel->name;
        }
        ASSERT_TRUE(y.guards_whole()) << kernel->name;
      }
}

TEST(Eltwise, Any_split_gives_the_same_bits) {
  const int64_t count = 203;
  for (const EltwiseKernel* kernel : runnable(kEltwiseKernels))
    for (const UnaryCase& c : kUnaryCases) {
      Array x = Array::uniform(kernel->dtype, count, c.low, c.high);
      Array whole(kernel->dtype, count), pieces(kernel->dtype, count);
      kernel->unary(c.op, x.data(), whole.data(), count);
      for (int64_t i = 0, n = 1; i < count; i += n, n = n % 19 + 3)
        kernel->unary(c.op, x.at(i), pieces.at(i), std::min(n, count - i));
      ASSERT_TRUE(whole.same_bits(pieces)) << kernel->name << " op " << static_cast<int>(c.op);
      kernel->unary(c.op, x.data(), x.data(), count);
      for (int64_t i = 0; i < count; ++i) ASSERT_EQ(x[i], whole[i]) << kernel->name << " in place";
    }
}

TEST(Cast, Every_pair_rounds_to_nearest_even_like_the_scalar_types) {
  const DType types[] = {DType::F32, DType::F16, DType::BF16};
  const float specials[] = {0.0f,
                            -0.0f,
                            1.0f,
                            65504.0f,
                            65520.0f,
                            1e-7f,
                            5.9e-8f,
                            6e-5f,
                            3.3e38f,
                            1.00390625f,
                            1.01171875f,
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()};
  for (const CastKernel* kernel : runnable(kCastKernels))
    for (const DType from : types)
      for (const DType to : types)
        for (const int64_t count : {1, 7, 8, 15, 33, 517}) {
          Array x = Array::normal(from, count, 0.0f, 100.0f), y(to, count), want(to, count);
          for (int64_t i = 0; i < count && i < std::ssize(specials); ++i) x.set(i, specials[i]);
          for (int64_t i = 0; i < count; ++i) want.set(i, static_cast<float>(x[i]));
          kernel->cast(from, x.data(), to, y.data(), count);
          ASSERT_TRUE(y.same_bits(want)) << kernel->name << ' ' << to_string(from) << " to " << to_string(to);
        }
}

TEST(Cast, Nan_stays_nan) {
  const DType types[] = {DType::F32, DType::F16, DType::BF16};
  for (const CastKernel* kernel : runnable(kCastKernels))
    for (const DType from : types)
      for (const DType to : types) {
        Array x(from, 1), y(to, 1);
        x.set(0, std::numeric_limits<float>::quiet_NaN());
        kernel->cast(from, x.data(), to, y.data(), 1);
        EXPECT_TRUE(std::isnan(y[0])) << kernel->name << ' ' << to_string(from) << " to " << to_string(to);
      }
}

}  // namespace
}  // namespace nibble::kernels
