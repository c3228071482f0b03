// Every kernel of the table against the formula of qgemm.h: integer sums exactly, the float epilogue in the documented order.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "kernels/qgemm/gated_test.h"
#include "kernels/qgemm/table.h"
#include "kernels/test_cpu.h"

namespace nibble::kernels {
namespace {

struct Case {
  int64_t m, n, k;
  WeightKind kind;
  int64_t group = 64, rank = 0;
  bool bias = false, residual = false;
  ConvGeometry conv = {};  // kernel_h 0: dense; m follows
  int64_t images = 1;
};

struct Trial {
  Case c;
  QuantShape shape;
  int64_t a_rows, a_stride;
  QuantWeight weight;
  PackedWeight packed;
  std::vector<int8_t> a;
  std::vector<int32_t> sums;
  std::vector<float> a_scales, bias, residual, h;
  std::vector<BFloat16> h_bf16, residual_bf16, up;  // up packed
  std::vector<float> up_plain;              // [n, rank]

  Trial(Case cs, uint32_t seed) : c(cs) {
    std::mt19937 random(seed);
    const bool is_conv = c.conv.kernel_h > 0;
    const int64_t taps = is_conv ? c.conv.kernel_h * c.conv.kernel_w : 1;
    shape = {c.n, taps, c.k, c.kind, c.group};
    if (is_conv) c.m = c.images * c.conv.out_height * c.conv.out_width;
    a_rows = is_conv ? c.images * c.conv.height * c.conv.width : c.m;
    a_stride = shape.padded_k() + 64;
    const int limit = c.kind == WeightKind::Int4 ? kInt4Max : kInt8Max;
    std::uniform_int_distribution<int> code(-limit, limit), ratio(0, kRatioMax), byte(-127, 127);
    std::uniform_real_distribution<float> real(-1, 1);
    weight.shape = shape;
    for (int64_t i = 0; i < c.n * taps * c.k; ++i) weight.codes.push_back(static_cast<int8_t>(code(random)));
    for (int64_t i = 0; i < c.n; ++i) weight.scales.push_back(0.01f * (1.5f + real(random)));
    for (int64_t i = 0; i < c.n * taps * shape.groups(); ++i) weight.ratios.push_back(static_cast<int16_t>(ratio(random)));
    packed = pack(weight);
    a.assign(static_cast<size_t>(a_rows * a_stride), 0);
    for (int64_t r = 0; r < a_rows; ++r) {
      int32_t sum = 0;
      for (int64_t i = 0; i < c.k; ++i) sum += a[static_cast<size_t>(r * a_stride + i)] = static_cast<int8_t>(byte(random));
      sums.push_back(sum);
    }
    for (int64_t i = 0; i < (is_conv ? c.images : c.m); ++i) a_scales.push_back(0.02f * (1.5f + real(random)));
    for (int64_t i = 0; i < c.n; ++i) bias.push_back(real(random));
    for (int64_t i = 0; i < c.m * c.n; ++i) {
      residual_bf16.push_back(to_bf16(real(random)));
      residual.push_back(to_float(residual_bf16.back()));
    }
    for (int64_t i = 0; i < c.m * c.rank; ++i) {
      h_bf16.push_back(to_bf16(real(random)));
      h.push_back(to_float(h_bf16.back()));
    }
    up.assign(static_cast<size_t>(shape.panels() * 16 * c.rank), BFloat16{0});
    for (int64_t n = 0; n < c.n; ++n)
      for (int64_t r = 0; r < c.rank; ++r) {
        const BFloat16 v = to_bf16(real(random));
        up[static_cast<size_t>((n / 16 * c.rank + r) * 16 + n % 16)] = v;
        up_plain.push_back(to_float(v));
      }
  }

  QGemmProblem problem(const QGemmKernel& kernel, void* out) const {
    const DType dtype = kernel.dtype;
    QGemmProblem p{};
    p.m = c.m;
    p.a = a.data(), p.a_stride = a_stride, p.sums = sums.data(), p.a_scales = a_scales.data();
    p.conv = c.conv.kernel_h > 0 ? &c.conv : nullptr;
    p.weight = packed.view();
    p.bias = c.bias ? bias.data() : nullptr;
    if (c.residual) p.residual = dtype == DType::F32 ? static_cast<const void*>(residual.data()) : residual_bf16.data();
    p.residual_stride = p.c_stride = c.n;
    p.c = out;
    p.rank = c.rank, p.up = up.data();
    p.h = kernel.branch == DType::F32 ? static_cast<const void*>(h.data()) : h_bf16.data();
    return p;
  }

  int64_t source_row(int64_t m, int64_t tap) const {
    const ConvGeometry& g = c.conv;
    if (g.kernel_h == 0) return m;
    const int64_t x = m % g.out_width * g.stride + tap % g.kernel_w - g.pad_left;
    const int64_t y = m / g.out_width % g.out_height * g.stride + tap / g.kernel_w - g.pad_top;
    if (x < 0 || y < 0 || x >= g.width * g.upsample || y >= g.height * g.upsample) return -1;
    return (m / (g.out_width * g.out_height) * g.height + y / g.upsample) * g.width + x / g.upsample;
  }

  // Of a branch whose sum was rounded after each rank and added to the rest, and then of both results.
  float branch_tolerance(int64_t m, int64_t n) const {
    float magnitude = std::abs(expected(m, n));
    for (int64_t r = 0; r < c.rank; ++r)
      magnitude += std::abs(h[static_cast<size_t>(m * c.rank + r)] * up_plain[static_cast<size_t>(n * c.rank + r)]);
    const float sums = static_cast<float>(c.rank + 4) * 0x1p-23f, result = 0x1p-7f * std::abs(expected(m, n));
    return c.rank > 0 ? magnitude * sums + result : 0.0f;
  }

  float expected(int64_t m, int64_t n) const {
    int64_t sum = 0;
    for (int64_t tap = 0; tap < shape.taps; ++tap) {
      const int64_t row = source_row(m, tap);
      if (row < 0) continue;
      for (int64_t k = 0; k < c.k; ++k) {
        const int q = weight.codes[static_cast<size_t>((n * shape.taps + tap) * c.k + k)];
        const int p = c.kind == WeightKind::Int8
                          ? q
                          : panel_code(q, weight.ratios[static_cast<size_t>((n * shape.taps + tap) * shape.groups() + k / c.group)]);
        sum += p * a[static_cast<size_t>(row * a_stride + k)];
      }
    }
    float x = 0;
    for (int64_t r = 0; r < c.rank; ++r)
      x = std::fma(h[static_cast<size_t>(m * c.rank + r)], up_plain[static_cast<size_t>(n * c.rank + r)], x);
    const int64_t image = c.conv.kernel_h > 0 ? m / (c.conv.out_height * c.conv.out_width) : m;
    x = std::fma(static_cast<float>(sum), a_scales[static_cast<size_t>(image)] * weight.scales[static_cast<size_t>(n)], x);
    if (c.bias) x += bias[static_cast<size_t>(n)];
    if (c.residual) x += residual[static_cast<size_t>(m * c.n + n)];
    return x;
  }
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const WeightKind kind : {WeightKind::Int8, WeightKind::Int4}) {
    all.push_back({1, 1, 1, kind});
    all.push_back({7, 19, 40, kind, 32, 16, true, true});
    all.push_back({13, 48, 64, kind, 64, 32, true, false});
    all.push_back({6, 33, 200, kind, 128, 40, false, true});
    all.push_back({30, 320, 320, kind, 64, 0, true, true});
    all.push_back({0, 24, 36, kind, 64, 0, true, false, {5, 7, 5, 7, 3, 3, 1, 1, 1, 1}, 2});
    all.push_back({0, 16, 64, kind, 64, 8, true, true, {8, 8, 4, 4, 3, 3, 2, 1, 1, 1}, 1});
    all.push_back({0, 17, 32, kind, 32, 0, false, true, {4, 3, 8, 6, 3, 3, 1, 1, 1, 2}, 2});
    all.push_back({0, 16, 32, kind, 32, 0, false, false, {6, 6, 3, 3, 3, 3, 2, 0, 0, 1}, 1});
    // Rows that are too many to be expanded ahead.
    all.push_back({1600, 8, 2048, kind});
    all.push_back({0, 1, 1024, kind, 64, 0, false, false, {82, 40, 82, 40, 3, 3, 1, 1, 1, 1}, 1});
  }
  return all;
}

template <typename T>
void check(const QGemmKernel& kernel, const Case& c) {
  const Trial t(c, 17);
  std::vector<T> out(static_cast<size_t>(t.c.m * t.c.n));
  std::vector<std::byte> scratch(qgemm_scratch_bytes(kernel, t.shape, false, t.a_rows));
  const QGemmProblem p = t.problem(kernel, out.data());
  // Two pieces in both directions, as threads would split it.
  const int64_t row_cut = std::min<int64_t>(t.c.m, (t.c.m / 2 + kernel.mr - 1) / kernel.mr * kernel.mr);
  const int64_t column_cut = std::min<int64_t>(t.c.n, (t.c.n / 2 + kernel.nr - 1) / kernel.nr * kernel.nr);
  for (const auto& [m0, m1] : {std::pair(int64_t{0}, row_cut), std::pair(row_cut, t.c.m)})
    for (const auto& [n0, n1] : {std::pair(int64_t{0}, column_cut), std::pair(column_cut, t.c.n)})
      if (n0 < n1) run_qgemm(kernel, p, m0, m1, n0, n1, scratch.data());
  for (int64_t m = 0; m < t.c.m; ++m)
    for (int64_t n = 0; n < t.c.n; ++n) {
      const T want = from_float<T>(t.expected(m, n));
      ASSERT_NEAR(to_float(out[static_cast<size_t>(m * t.c.n + n)]), to_float(want), kernel.branch == DType::BF16 ? t.branch_tolerance(m, n) : 0.0f)
          << kernel.name << " m " << m << " n " << n << " k " << t.c.k << " taps " << t.shape.taps << " " << to_string(t.c.kind);
    }
}

TEST(QGemm, Every_kernel_computes_the_formula_to_the_last_bit) {
  for (const QGemmKernel* kernel : kQGemmKernels) {
    if (!tested_cpu().has(kernel->isa)) continue;
    for (const Case& c : cases()) kernel->dtype == DType::F32 ? check<float>(*kernel, c) : check<BFloat16>(*kernel, c);
  }
}

template <typename T>
void check_gated(const QGemmKernel& kernel, const Case& c) {
  const Trial t(c, 19);
  const int64_t columns = c.n / 2, cut = columns / 2 / kernel.nr * kernel.nr;
  std::vector<T> out(static_cast<size_t>(c.m * columns));
  std::vector<std::byte> scratch(qgemm_scratch_bytes(kernel, t.shape, true, t.a_rows));
  QGemmProblem p = t.problem(kernel, out.data());
  p.gate = &select_eltwise(detect_cpu(), kernel.dtype);
  p.c_stride = columns;
  run_qgemm(kernel, p, 0, c.m, 0, cut, scratch.data());
  run_qgemm(kernel, p, 0, c.m, cut, columns, scratch.data());
  const auto slack = [&](int64_t m, int64_t n) { return kernel.branch == DType::BF16 ? t.branch_tolerance(m, n) : 0.0f; };
  expect_gated<T>(out, c.m, columns, [&t](int64_t m, int64_t n) { return t.expected(m, n); }, kernel.name, slack);
}

// Halves that end inside a tile, that take several blocks, and panels too large for two in a block.
TEST(QGemm, A_gate_multiplies_the_values_in_the_epilogue) {
  for (const QGemmKernel* kernel : kQGemmKernels) {
    if (!tested_cpu().has(kernel->isa)) continue;
    for (const WeightKind kind : {WeightKind::Int8, WeightKind::Int4})
      for (const Case& c : {Case{7, 96, 40, kind, 32, 16, true}, Case{13, 1280, 320, kind, 64}, Case{5, 64, 9000, kind, 64, 8, true}})
        ASSERT_NO_FATAL_FAILURE(kernel->dtype == DType::F32 ? check_gated<float>(*kernel, c) : check_gated<BFloat16>(*kernel, c));
  }
}

// The largest sums an integer path meets: 12,288 x 9 products of 127 x 127 stay below 2^31.
TEST(QGemm, The_largest_sums_do_not_overflow) {
  const int64_t k = 12288;
  QuantWeight w{{1, 9, k, WeightKind::Int8, 64}, std::vector<int8_t>(static_cast<size_t>(9 * k), 127), {1.0f}, {}};
  const PackedWeight packed = pack(w);
  const std::vector<int8_t> a(static_cast<size_t>(9 * k), -127);
  const std::vector<int32_t> sums(9, static_cast<int32_t>(-127 * k));
  const float one = 1.0f;
  const ConvGeometry conv{3, 3, 1, 1, 3, 3, 1, 0, 0, 1};
  for (const QGemmKernel* kernel : kQGemmKernels) {
    if (!tested_cpu().has(kernel->isa) || kernel->dtype != DType::F32) continue;
    float out = 0;
    std::vector<std::byte> scratch(qgemm_scratch_bytes(*kernel, w.shape, false, 9));
    QGemmProblem p{};
    p.m = 1, p.a = a.data(), p.a_stride = k, p.sums = sums.data(), p.a_scales = &one, p.conv = &conv, p.weight = packed.view();
    p.c = &out, p.c_stride = 1;
    run_qgemm(*kernel, p, 0, 1, 0, 1, scratch.data());
    EXPECT_EQ(out, static_cast<float>(-127LL * 127 * 9 * k)) << kernel->name;
  }
}

}  // namespace
}  // namespace nibble::kernels
