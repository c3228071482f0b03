// Every kernel of the table against the formula of qgemm_grouped.h, in its order of float32 operations, to the last bit.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/qgemm/gated_test.h"
#include "kernels/qgemm_grouped/table.h"
#include "kernels/test_cpu.h"

namespace nibble::kernels {
namespace {

struct Case {
  int64_t m, n, k, group, rank;
  bool shifted, bias, residual;
  ConvGeometry conv = {};
};

struct Trial {
  Case c;
  QuantShape shape;
  int64_t a_rows, a_groups;
  QuantWeight weight;
  PackedWeight packed;
  std::vector<int8_t> a, pad;
  std::vector<float> a_scales, pad_scales, bias, residual, h, up_plain;
  std::vector<int32_t> sums, pad_sums;
  std::vector<BFloat16> up;

  Trial(Case cs, uint32_t seed) : c(cs) {
    std::mt19937 random(seed);
    const bool is_conv = c.conv.kernel_h > 0;
    shape = {c.n, is_conv ? c.conv.kernel_h * c.conv.kernel_w : 1, c.k, WeightKind::Int4, c.group};
    if (is_conv) c.m = c.conv.out_height * c.conv.out_width;
    a_rows = is_conv ? c.conv.height * c.conv.width : c.m;
    a_groups = (shape.padded_k() + 63) / 64;
    std::uniform_int_distribution<int> code(-7, 7), ratio(0, kRatioMax), activation(c.shifted ? 0 : -7, c.shifted ? 15 : 7);
    std::uniform_real_distribution<float> real(-1, 1);
    weight.shape = shape;
    for (int64_t i = 0; i < c.n * shape.taps * c.k; ++i) weight.codes.push_back(static_cast<int8_t>(code(random)));
    for (int64_t i = 0; i < c.n; ++i) weight.scales.push_back(0.01f * (1.5f + real(random)));
    for (int64_t i = 0; i < c.n * shape.taps * shape.groups(); ++i) weight.ratios.push_back(static_cast<int16_t>(ratio(random)));
    packed = pack(weight);
    for (int64_t r = 0; r <= a_rows; ++r)
      for (int64_t i = 0; i < shape.padded_k(); ++i)
        (r < a_rows ? a : pad).push_back(i < c.k ? static_cast<int8_t>(activation(random)) : int8_t{0});
    const auto sum_codes = [](const std::vector<int8_t>& codes, std::vector<int32_t>& out) {
      out.assign(codes.size() / 32, 0);
      for (size_t i = 0; i < codes.size(); ++i) out[i / 32] += codes[i];
    };
    sum_codes(a, sums);
    sum_codes(pad, pad_sums);
    for (int64_t i = 0; i < a_rows * a_groups; ++i) a_scales.push_back(0.1f * (1.5f + real(random)));
    for (int64_t i = 0; i < a_groups; ++i) pad_scales.push_back(0.1f);
    for (int64_t i = 0; i < c.n; ++i) bias.push_back(real(random));
    for (int64_t i = 0; i < c.m * c.n; ++i) residual.push_back(to_float(to_bf16(real(random))));
    for (int64_t i = 0; i < c.m * c.rank; ++i) h.push_back(real(random));
    up.assign(static_cast<size_t>(shape.panels() * 16 * c.rank), BFloat16{0});
    for (int64_t n = 0; n < c.n; ++n)
      for (int64_t r = 0; r < c.rank; ++r) {
        up[static_cast<size_t>((n / 16 * c.rank + r) * 16 + n % 16)] = to_bf16(real(random));
        up_plain.push_back(to_float(up[static_cast<size_t>((n / 16 * c.rank + r) * 16 + n % 16)]));
      }
  }

  QGemmGroupedProblem problem(void* out) const {
    QGemmGroupedProblem p{};
    p.m = c.m;
    p.a = a.data(), p.a_stride = shape.padded_k(), p.a_scales = a_scales.data(), p.sums = sums.data();
    p.pad_codes = pad.data(), p.pad_scales = pad_scales.data(), p.pad_sums = pad_sums.data();
    p.conv = c.conv.kernel_h > 0 ? &c.conv : nullptr;
    p.weight = packed.view();
    p.bias = c.bias ? bias.data() : nullptr;
    p.residual_stride = p.c_stride = c.n;
    p.c = out;
    p.rank = c.rank, p.h = h.data(), p.up = up.data();
    return p;
  }

  int64_t source_row(int64_t m, int64_t tap) const {
    const ConvGeometry& g = c.conv;
    if (g.kernel_h == 0) return m;
    const int64_t x = m % g.out_width * g.stride + tap % g.kernel_w - g.pad_left, y = m / g.out_width * g.stride + tap / g.kernel_w - g.pad_top;
    if (x < 0 || y < 0 || x >= g.width * g.upsample || y >= g.height * g.upsample) return -1;
    return y / g.upsample * g.width + x / g.upsample;
  }

  float expected(int64_t m, int64_t n) const {
    float acc = 0;
    const int64_t step = std::min<int64_t>(c.group, 64);
    for (int64_t tap = 0; tap < shape.taps; ++tap)
      for (int64_t k = 0; k < shape.padded_k(); k += step) {
        const int64_t row = source_row(m, tap);
        const int8_t* codes = row < 0 ? pad.data() : a.data() + row * shape.padded_k();
        const float scale = row < 0 ? pad_scales[static_cast<size_t>(k / 64)] : a_scales[static_cast<size_t>(row * a_groups + k / 64)];
        int64_t dot = 0;
        for (int64_t i = k; i < std::min(k + step, c.k); ++i) dot += codes[i] * weight.codes[static_cast<size_t>((n * shape.taps + tap) * c.k + i)];
        const float ratio = static_cast<float>(weight.ratios[static_cast<size_t>((n * shape.taps + tap) * shape.groups() + k / c.group)]) / 128;
        acc = std::fma(static_cast<float>(dot), scale * ratio, acc);
      }
    float x = 0;
    for (int64_t r = 0; r < c.rank; ++r) x = std::fma(h[static_cast<size_t>(m * c.rank + r)], up_plain[static_cast<size_t>(n * c.rank + r)], x);
    x = std::fma(acc, weight.scales[static_cast<size_t>(n)], x);
    if (c.bias) x += bias[static_cast<size_t>(n)];
    if (c.residual) x += residual[static_cast<size_t>(m * c.n + n)];
    return x;
  }
};

const Case kCases[] = {
    {1, 1, 1, 64, 0, false, false, false},      {7, 19, 40, 32, 16, false, true, true},
    {9, 48, 200, 64, 32, true, true, false},    {6, 33, 320, 128, 0, true, false, true},
    {0, 24, 96, 64, 0, true, true, false, {5, 7, 5, 7, 3, 3, 1, 1, 1, 1}},
    {0, 16, 64, 32, 8, false, true, true, {8, 8, 4, 4, 3, 3, 2, 1, 1, 1}},
    {0, 17, 32, 64, 0, true, false, false, {4, 3, 8, 6, 3, 3, 1, 1, 1, 2}},
    {30, 96, 224, 64, 0, false, false, false},  {25, 80, 416, 128, 16, true, true, true},
};

template <typename T>
void check(const QGemmGroupedKernel& kernel, const Case& c) {
  const Trial t(c, 23);
  std::vector<T> out(static_cast<size_t>(t.c.m * t.c.n)), residual;
  for (const float v : t.residual) residual.push_back(from_float<T>(v));
  std::vector<std::byte> scratch(qgemm_grouped_scratch_bytes(kernel, t.shape, false, t.a_rows));
  QGemmGroupedProblem p = t.problem(out.data());
  p.residual = c.residual ? residual.data() : nullptr;
  // Two pieces in both directions, as threads would split it.
  const int64_t row_cut = std::min<int64_t>(t.c.m, (t.c.m / 2 + kernel.mr - 1) / kernel.mr * kernel.mr);
  const int64_t column_cut = std::min<int64_t>(t.c.n, (t.c.n / 2 + kernel.nr - 1) / kernel.nr * kernel.nr);
  for (const auto& [m0, m1] : {std::pair(int64_t{0}, row_cut), std::pair(row_cut, t.c.m)})
    for (const auto& [n0, n1] : {std::pair(int64_t{0}, column_cut), std::pair(column_cut, t.c.n)})
      if (n0 < n1) run_qgemm_grouped(kernel, p, m0, m1, n0, n1, scratch.data());
  for (int64_t m = 0; m < t.c.m; ++m)
    for (int64_t n = 0; n < c.n; ++n)
      ASSERT_EQ(to_float(out[static_cast<size_t>(m * c.n + n)]), to_float(from_float<T>(t.expected(m, n))))
          << kernel.name << " m " << m << " n " << n << " k " << c.k;
}

TEST(QGemmGrouped, Every_kernel_computes_the_formula_to_the_last_bit) {
  for (const QGemmGroupedKernel* kernel : kQGemmGroupedKernels) {
    if (!tested_cpu().has(kernel->isa)) continue;
    for (const Case& c : kCases) kernel->dtype == DType::F32 ? check<float>(*kernel, c) : check<BFloat16>(*kernel, c);
  }
}

template <typename T>
void check_gated(const QGemmGroupedKernel& kernel, const Case& c) {
  const Trial t(c, 29);
  const int64_t columns = c.n / 2, cut = columns / 2 / kernel.nr * kernel.nr;
  std::vector<T> out(static_cast<size_t>(c.m * columns));
  std::vector<std::byte> scratch(qgemm_grouped_scratch_bytes(kernel, t.shape, true, t.a_rows));
  QGemmGroupedProblem p = t.problem(out.data());
  p.gate = &select_eltwise(detect_cpu(), kernel.dtype);
  p.c_stride = columns;
  run_qgemm_grouped(kernel, p, 0, c.m, 0, cut, scratch.data());
  run_qgemm_grouped(kernel, p, 0, c.m, cut, columns, scratch.data());
  expect_gated<T>(out, c.m, columns, [&t](int64_t m, int64_t n) { return t.expected(m, n); }, kernel.name);
}

TEST(QGemmGrouped, A_gate_multiplies_the_values_in_the_epilogue) {
  const Case kGated[] = {{7, 96, 40, 32, 16, false, true, false}, {13, 1280, 320, 64, 0, true, false, false}, {5, 64, 9000, 128, 8, false, true, false}};
  for (const QGemmGroupedKernel* kernel : kQGemmGroupedKernels) {
    if (!tested_cpu().has(kernel->isa)) continue;
    for (const Case& c : kGated)
      ASSERT_NO_FATAL_FAILURE(kernel->dtype == DType::F32 ? check_gated<float>(*kernel, c) : check_gated<BFloat16>(*kernel, c));
  }
}

}  // namespace
}  // namespace nibble::kernels
