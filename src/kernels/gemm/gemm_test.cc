// Every kernel of the table against the formula of gemm.h in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "base/error.h"
#include "kernels/gemm/table.h"
#include "kernels/test_cpu.h"

namespace nibble::kernels {
namespace {

enum class Layout { Linear, Oihw, Ohwi, Transposed };

struct Case {
  int64_t m, n, k;
  ConvGeometry conv = {};  // kernel_h == 0: dense
  DType weight = DType::F32;
  Layout layout = Layout::Linear;
  bool bias = false, residual = false;
};

std::vector<const GemmKernel*> runnable_kernels() {
  std::vector<const GemmKernel*> kernels;
  for (const GemmKernel* kernel : kGemmKernels)
    if (tested_cpu().has(kernel->isa)) kernels.push_back(kernel);
  return kernels;
}

// Values in a storage type, kept both as bytes and as the doubles they stand for. Surrounded by NaN, so that a read
// outside shows.
struct Values {
  DType dtype;
  std::vector<std::byte> bytes;
  std::vector<double> exact;

  Values(DType type, size_t count, std::mt19937& random, double scale)
      : dtype(type), bytes((count + 2 * kGuard) * bytes_of(type)), exact(count) {
    std::uniform_real_distribution<float> uniform(static_cast<float>(-scale), static_cast<float>(scale));
    for (size_t i = 0; i < count + 2 * kGuard; ++i) {
      const bool guard = i < kGuard || i >= count + kGuard;
      const double value = put(i, guard ? std::nanf("") : uniform(random));
      if (!guard) exact[i - kGuard] = value;
    }
  }
  const void* data() const { return bytes.data() + kGuard * bytes_of(dtype); }

 private:
  static constexpr size_t kGuard = 64;
  template <typename T>
  double put_as(size_t i, float x) {
    const T value = from_float<T>(x);
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
    return to_float(value);
  }
  double put(size_t i, float x) {
    if (dtype == DType::F32) return put_as<float>(i, x);
    return dtype == DType::F16 ? put_as<Float16>(i, x) : put_as<BFloat16>(i, x);
  }
};

WeightView view_of(const Values& values, Layout layout, int64_t n, int64_t taps, int64_t k) {
  switch (layout) {
    case Layout::Oihw:
      return {values.data(), values.dtype, taps * k, 1, taps};
    case Layout::Transposed:
      return {values.data(), values.dtype, 1, k * n, n};
    default:
      return {values.data(), values.dtype, taps * k, k, 1};
  }
}

// Index of the pixel that a tap of output row m reads, or -1 for padding.
int64_t source_row(const Case& c, int64_t m, int64_t tap) {
  if (c.conv.kernel_h == 0) return m;
  const ConvGeometry& g = c.conv;
  const int64_t x = m % g.out_width * g.stride + tap % g.kernel_w - g.pad_left;
  const int64_t y = m / g.out_width % g.out_height * g.stride + tap / g.kernel_w - g.pad_top;
  if (x < 0 || y < 0 || x >= g.width * g.upsample || y >= g.height * g.upsample) return -1;
  return (m / (g.out_width * g.out_height) * g.height + y / g.upsample) * g.width + x / g.upsample;
}

struct Trial {
  const GemmKernel& kernel;
  Case c;
  int64_t taps, a_rows;
  std::mt19937 random;
  Values a, w, bias, residual;
  GemmProblem problem;
  std::vector<std::byte> scratch;

  Trial(const GemmKernel& kern, const Case& cs, unsigned seed)
      : kernel(kern),
        c(cs),
        taps(cs.conv.kernel_h == 0 ? 1 : cs.conv.kernel_h * cs.conv.kernel_w),
        a_rows(count_rows(cs)),
        random(seed),
        a(kern.dtype, static_cast<size_t>(a_rows * a_stride()), random, 1),
        w(cs.weight, static_cast<size_t>(cs.n * cs.k * taps), random, 1),
        bias(DType::F32, cs.n, random, 3),
        residual(kern.dtype, static_cast<size_t>(cs.m * c_stride()), random, 3) {
    problem = {cs.m, cs.n, cs.k, taps};
    problem.a = a.data();
    problem.a_stride = a_stride();
    problem.conv = c.conv.kernel_h == 0 ? nullptr : &c.conv;
    problem.weight = view_of(w, cs.layout, cs.n, taps, cs.k);
    problem.bias = cs.bias ? static_cast<const float*>(bias.data()) : nullptr;
    problem.residual = cs.residual ? residual.data() : nullptr;
    problem.residual_stride = problem.c_stride = c_stride();
    scratch.resize(gemm_scratch_bytes(kern, taps, cs.k));
  }

  int64_t a_stride() const { return c.k + 5; }
  int64_t c_stride() const { return c.n + 3; }
  static int64_t count_rows(const Case& c) {
    if (c.conv.kernel_h == 0) return c.m;
    return c.m / (c.conv.out_height * c.conv.out_width) * c.conv.height * c.conv.width;
  }

  // Splits at multiples of the tile steps given; 0 runs the whole.
  std::vector<std::byte> result(int64_t m_step = 0, int64_t n_step = 0) {
    std::vector<std::byte> out(static_cast<size_t>(c.m * c_stride()) * bytes_of(kernel.dtype), std::byte{0x5a});
    problem.c = out.data();
    if (m_step == 0) m_step = c.m;
    if (n_step == 0) n_step = (c.n + kernel.nr - 1) / kernel.nr * kernel.nr;
    for (int64_t m = 0; m < c.m; m += m_step)
      for (int64_t n = 0; n < c.n; n += n_step)
        run_gemm(kernel, problem, m, std::min(c.m, m + m_step), n, std::min(c.n, n + n_step), scratch.data());
    return out;
  }

  double weight_value(int64_t n, int64_t tap, int64_t kk) const {
    const WeightView& v = problem.weight;
    const double value = w.exact[static_cast<size_t>(n * v.n_stride + tap * v.tap_stride + kk * v.k_stride)];
    return kernel.isa == Isa::Avx512Bf16 ? to_float(to_bf16(static_cast<float>(value))) : value;
  }

  void check(const std::vector<std::byte>& out) const {
    int64_t failures = 0;
    for (int64_t m = 0; m < c.m; ++m)
      for (int64_t n = 0; n < c.n && failures < 3; ++n) failures += check_one(out, m, n) ? 0 : 1;
    for (int64_t m = 0; m < c.m && failures < 3; ++m)
      for (size_t i = static_cast<size_t>(m * c_stride() + c.n) * bytes_of(kernel.dtype);
           i < static_cast<size_t>((m + 1) * c_stride()) * bytes_of(kernel.dtype); ++i)
        ASSERT_EQ(out[i], std::byte{0x5a}) << "written past column n of row " << m;
  }

  bool check_one(const std::vector<std::byte>& out, int64_t m, int64_t n) const {
    double sum = 0, magnitude = 0;
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t row = source_row(c, m, tap);
      for (int64_t kk = 0; row >= 0 && kk < c.k; ++kk) {
        const double term = a.exact[static_cast<size_t>(row * a_stride() + kk)] * weight_value(n, tap, kk);
        sum += term;
        magnitude += std::abs(term);
      }
    }
    const size_t at = static_cast<size_t>(m * c_stride() + n);
    if (c.bias) sum += bias.exact[static_cast<size_t>(n)];
    if (c.residual) sum += residual.exact[at];
    if (c.bias) magnitude += std::abs(bias.exact[static_cast<size_t>(n)]);
    if (c.residual) magnitude += std::abs(residual.exact[at]);
    // Each of the K + 2 additions rounds a partial sum that is at most `magnitude`; errors add like a random walk
    // (sqrt), 4 standard deviations. A bf16 result adds half a unit in its last place (2^-9 relative).
    const double terms = static_cast<double>(taps * c.k + 2);
    double limit = 4 * 0x1p-24 * std::sqrt(terms) * magnitude + 1e-30;
    double found;
    if (kernel.dtype == DType::F32) {
      found = reinterpret_cast<const float*>(out.data())[at];
    } else {
      found = to_float(reinterpret_cast<const BFloat16*>(out.data())[at]);
      limit += 0x1p-8 * std::exp2(std::floor(std::log2(std::abs(sum) + limit)));
    }
    EXPECT_LE(std::abs(found - sum), limit)
        << kernel.name << " m " << m << " n " << n << " want " << sum << " found " << found;
    return std::abs(found - sum) <= limit;
  }
};

class GemmKernels : public testing::TestWithParam<const GemmKernel*> {};

ConvGeometry conv3x3(int64_t height, int64_t width, int64_t stride = 1, int64_t upsample = 1) {
  const int64_t h = height * upsample, w = width * upsample;
  return {height, width, (h - 1) / stride + 1, (w - 1) / stride + 1, 3, 3, stride, 1, 1, upsample};
}

TEST_P(GemmKernels, dense_sizes_around_the_tile) {
  const GemmKernel& kernel = *GetParam();
  unsigned seed = 1;
  for (int64_t m : {1, kernel.mr - 1, kernel.mr, kernel.mr + 1, 3 * kernel.mr + 2})
    for (int64_t n : {1, kernel.nr - 1, kernel.nr, kernel.nr + 1, 2 * kernel.nr + 9})
      for (int64_t k : {1, 2, 7, 16, 67}) {
        SCOPED_TRACE(format("m {} n {} k {} seed {}", m, n, k, seed));
        Case c = {m, n, k};
        c.bias = seed % 2 == 0;
        c.residual = seed % 3 == 0;
        c.weight = seed % 5 == 0 ? DType::F16 : seed % 5 == 1 ? DType::BF16 : DType::F32;
        Trial run(kernel, c, seed++);
        run.check(run.result());
      }
}

TEST_P(GemmKernels, every_weight_type_and_layout) {
  const GemmKernel& kernel = *GetParam();
  unsigned seed = 1000;
  for (DType dtype : {DType::F32, DType::F16, DType::BF16})
    for (Layout layout : {Layout::Linear, Layout::Oihw, Layout::Ohwi, Layout::Transposed})
      for (int64_t k : {3, 8, 21, 64})
        for (int64_t n : {5, 2 * kernel.nr + 3}) {
          SCOPED_TRACE(
              format("{} layout {} n {} k {} seed {}", to_string(dtype), static_cast<int>(layout), n, k, seed));
          Case c = {30, n, k, conv3x3(5, 6)};
          c.weight = dtype;
          c.layout = layout;
          Trial run(kernel, c, seed++);
          run.check(run.result());
        }
}

TEST_P(GemmKernels, dense_transposed_weights) {
  const GemmKernel& kernel = *GetParam();
  for (DType dtype : {DType::F32, DType::F16, DType::BF16}) {
    Case c = {kernel.mr + 3, kernel.nr + 5, 33};
    c.weight = dtype;
    c.layout = Layout::Transposed;
    Trial run(kernel, c, 77);
    run.check(run.result());
  }
}

TEST_P(GemmKernels, convolutions) {
  const GemmKernel& kernel = *GetParam();
  std::vector<std::pair<const char*, ConvGeometry>> geometries = {
      {"3x3", conv3x3(7, 9)},
      {"3x3 stride 2", conv3x3(8, 9, 2)},
      {"upsample", conv3x3(4, 3, 1, 2)},
      {"stride 2, padded below and right only", {8, 6, 4, 3, 3, 3, 2, 0, 0, 1}},
      {"1x1", {5, 4, 5, 4, 1, 1, 1, 0, 0, 1}},
      {"7x7 stride 4", {15, 19, 4, 5, 7, 7, 4, 3, 3, 1}},
      {"patches 4x2", {8, 8, 2, 4, 4, 2, 2, 0, 0, 1}},
      {"one pixel, all padding but the middle", {1, 1, 1, 1, 3, 3, 1, 1, 1, 1}},
  };
  geometries.back().second.out_height = 1;
  unsigned seed = 2000;
  for (const auto& [name, geometry] : geometries)
    for (int64_t images : {1, 2})
      for (int64_t k : {4, 13}) {
        SCOPED_TRACE(format("{} images {} k {} seed {}", name, images, k, seed));
        Case c = {images * geometry.out_height * geometry.out_width, kernel.nr + 3, k, geometry};
        c.layout = Layout::Oihw;
        c.bias = c.residual = seed % 2 == 0;
        Trial run(kernel, c, seed++);
        run.check(run.result());
      }
}

TEST_P(GemmKernels, many_panel_blocks) {
  const GemmKernel& kernel = *GetParam();
  Case c = {kernel.mr + 1, 7 * kernel.nr - 1, 2500};  // more panels than one block holds
  c.weight = DType::BF16;
  Trial run(kernel, c, 5);
  run.check(run.result());
}

TEST_P(GemmKernels, any_split_gives_the_same_bits) {
  const GemmKernel& kernel = *GetParam();
  for (bool conv : {false, true}) {
    Case c = {conv ? 70 : 61, 3 * kernel.nr + 7, 45, conv ? conv3x3(7, 10) : ConvGeometry{}};
    c.layout = conv ? Layout::Oihw : Layout::Linear;
    c.bias = c.residual = true;
    Trial run(kernel, c, 9);
    const std::vector<std::byte> whole = run.result();
    for (int64_t m_step : {1, 2, kernel.mr - 1, kernel.mr, 3 * kernel.mr + 1})
      for (int64_t n_panels : {1, 2})
        EXPECT_EQ(run.result(m_step, n_panels * kernel.nr), whole) << kernel.name << " m_step " << m_step;
  }
}

TEST_P(GemmKernels, residual_may_be_the_result) {
  const GemmKernel& kernel = *GetParam();
  Case c = {2 * kernel.mr + 1, 2 * kernel.nr + 1, 24};
  c.residual = true;
  Trial run(kernel, c, 11);
  const std::vector<std::byte> apart = run.result();
  const std::byte* residual = static_cast<const std::byte*>(run.residual.data());
  std::vector<std::byte> in_place(residual, residual + apart.size());
  run.problem.c = in_place.data();
  run.problem.residual = in_place.data();
  run_gemm(kernel, run.problem, 0, c.m, 0, c.n, run.scratch.data());
  const size_t row = static_cast<size_t>(run.c_stride()) * bytes_of(kernel.dtype);
  for (int64_t m = 0; m < c.m; ++m)
    EXPECT_EQ(std::memcmp(in_place.data() + m * row, apart.data() + m * row, c.n * bytes_of(kernel.dtype)), 0) << m;
}

TEST_P(GemmKernels, stores_round_to_nearest_even_and_keep_special_values) {
  const GemmKernel& kernel = *GetParam();
  if (kernel.dtype != DType::BF16) GTEST_SKIP() << "f32 stores do not round";
  // k = 1, a = 1, w = 0, so that the bias is what is stored.
  const float inf = INFINITY;
  const std::vector<float> bias = {1.00390625f, 1.01171875f, -1.00390625f, 3.4e38f, inf,
                                   -inf,        NAN,         1e-40f,       0.0f,    -2.5f};
  const std::vector<float> weight(bias.size(), 0.0f);
  const BFloat16 one = to_bf16(1.0f);
  std::vector<BFloat16> c(bias.size());
  GemmProblem problem = {1, static_cast<int64_t>(bias.size()), 1, 1};
  problem.a = &one;
  problem.a_stride = 1;
  problem.weight = {weight.data(), DType::F32, 1, 1, 1};
  problem.bias = bias.data();
  problem.c = c.data();
  problem.c_stride = problem.n;
  std::vector<std::byte> scratch(gemm_scratch_bytes(kernel, 1, 1));
  run_gemm(kernel, problem, 0, 1, 0, problem.n, scratch.data());
  for (size_t i = 0; i < bias.size(); ++i) {
    if (std::isnan(bias[i])) {
      EXPECT_TRUE(std::isnan(to_float(c[i])));
    } else if (std::abs(bias[i]) > 1e-37f || bias[i] == 0) {  // processors may flush subnormals in bf16 conversions
      EXPECT_EQ(c[i].bits, to_bf16(bias[i]).bits) << kernel.name << " " << bias[i];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, GemmKernels, testing::ValuesIn(runnable_kernels()),
                         [](const auto& row) { return std::string(row.param->name); });

TEST(GemmSelect, takes_the_best_of_the_mask) {
  EXPECT_EQ(select_gemm({}, DType::F32).isa, Isa::Scalar);
  EXPECT_EQ(select_gemm({}, DType::BF16).dtype, DType::BF16);
  for (DType dtype : {DType::F32, DType::BF16}) {
    const GemmKernel& best = select_gemm(detect_cpu(), dtype);
    EXPECT_TRUE(detect_cpu().has(best.isa)) << best.name;
    EXPECT_EQ(best.isa == Isa::Scalar, detect_cpu().bits == CpuMask{}.bits) << best.name;
  }
  EXPECT_THROW(select_gemm({}, DType::I32), Error);
}

}  // namespace
}  // namespace nibble::kernels
