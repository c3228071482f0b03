// Quantized layers of Stable Diffusion's shapes: the integer product alone, with a branch of rank 32, the exact 4-bit product, and
// the passes that make activations integers.
#include <algorithm>
#include <random>
#include <vector>

#include "base/error.h"
#include "kernels/bench.h"
#include "kernels/gemm/packed_rows.h"
#include "kernels/norm/norm.h"
#include "kernels/peaks/peaks.h"
#include "kernels/qgemm/table.h"
#include "kernels/qgemm_grouped/table.h"
#include "kernels/quantize/table.h"
#include "tensor/tensor.h"

namespace nibble::kernels {
namespace {

struct BenchShape {
  int64_t m, n, k, side;  // side > 0: a 3x3 convolution on a side x side image
};

constexpr BenchShape kShapes[] = {{4096, 1280, 1280, 0}, {1024, 5120, 1280, 0}, {4096, 640, 640, 0}, {4096, 320, 1280, 0},
                                  {4096, 320, 320, 64},  {1024, 640, 640, 32},  {256, 1280, 1280, 16}, {64, 1280, 1280, 8}};

struct Operands {
  QuantShape shape;
  ConvGeometry conv;
  std::vector<uint8_t> codes;
  std::vector<float> scales, a_scales, h, c;
  std::vector<int16_t> ratios;
  std::vector<int8_t> a;
  std::vector<int32_t> sums;
  std::vector<BFloat16> up;

  Operands(const BenchShape& s, WeightKind kind, int64_t rank, int code_limit) : conv{s.side, s.side, s.side, s.side, 3, 3, 1, 1, 1, 1} {
    std::mt19937 random(1);
    shape = {s.n, s.side > 0 ? 9 : 1, s.k, kind, 64};
    codes.resize(shape.code_bytes());
    for (uint8_t& v : codes) v = static_cast<uint8_t>(random() | 0x11);
    scales.assign(static_cast<size_t>(shape.scale_count()), 0.01f);
    ratios.assign(static_cast<size_t>(shape.ratio_count()), 1500);
    a.resize(static_cast<size_t>(s.m * shape.padded_k()));
    for (int8_t& v : a) v = static_cast<int8_t>(static_cast<int>(random() % static_cast<unsigned>(2 * code_limit + 1)) - code_limit);
    sums.assign(static_cast<size_t>(s.m * (shape.padded_k() / 32)), 0);
    a_scales.assign(static_cast<size_t>(s.m * (shape.padded_k() / 64 + 1)), 0.02f);
    h.assign(static_cast<size_t>(s.m * rank), 0.1f);
    up.assign(static_cast<size_t>(shape.panels() * 16 * rank), to_bf16(0.1f));
    c.resize(static_cast<size_t>(s.m * s.n));
  }
  QuantWeightView weight() const { return {shape, codes.data(), scales.data(), shape.kind == WeightKind::Int4 ? ratios.data() : nullptr}; }
};

std::string describe(const BenchShape& s, WeightKind kind, int64_t rank) {
  const std::string what = s.side > 0 ? format("conv 3x3 {}x{} {} -> {}", s.side, s.side, s.k, s.n) : format("M {} N {} K {}", s.m, s.n, s.k);
  return format("{}, {}{}", what, to_string(kind), rank > 0 ? format(" rank {}", rank) : "");
}

double work_of(const BenchShape& s) { return 2.0 * static_cast<double>(s.m * s.n * s.k) * (s.side > 0 ? 9 : 1); }

BenchRow bench_product(Context& context, const BenchShape& s, WeightKind kind, int64_t rank) {
  const QGemmKernel& kernel = select_qgemm(context.cpu, DType::F32);
  Operands o(s, kind, rank, 127);
  QGemmProblem p{};
  p.m = s.m, p.a = o.a.data(), p.a_stride = o.shape.padded_k(), p.sums = o.sums.data(), p.a_scales = o.a_scales.data();
  p.conv = s.side > 0 ? &o.conv : nullptr;
  p.weight = o.weight();
  p.c = o.c.data(), p.c_stride = s.n;
  p.rank = rank, p.h = o.h.data(), p.up = o.up.data();
  std::vector<std::byte> scratch(qgemm_scratch_bytes(kernel, o.shape, false, s.m));
  const double seconds = best_cpu_seconds([&] { run_qgemm(kernel, p, 0, s.m, 0, s.n, scratch.data()); });
  return {kernel.name, describe(s, kind, rank), work_of(s), seconds, 0};
}

BenchRow bench_grouped(Context& context, const BenchShape& s) {
  const QGemmGroupedKernel& kernel = select_qgemm_grouped(context.cpu, DType::F32);
  Operands o(s, WeightKind::Int4, 0, 7);
  const std::vector<int8_t> pad(static_cast<size_t>(o.shape.padded_k()), 0);
  QGemmGroupedProblem p{};
  p.m = s.m, p.a = o.a.data(), p.a_stride = o.shape.padded_k(), p.a_scales = o.a_scales.data();
  p.sums = o.sums.data();
  p.pad_codes = pad.data(), p.pad_scales = o.a_scales.data(), p.pad_sums = o.sums.data();
  p.conv = s.side > 0 ? &o.conv : nullptr;
  p.weight = o.weight();
  p.c = o.c.data(), p.c_stride = s.n;
  std::vector<std::byte> scratch(qgemm_grouped_scratch_bytes(kernel, o.shape, false, s.m));
  const double seconds = best_cpu_seconds([&] { run_qgemm_grouped(kernel, p, 0, s.m, 0, s.n, scratch.data()); });
  return {kernel.name, describe(s, WeightKind::Int4, 0) + " x int4", work_of(s), seconds, 0};
}

// Work: bytes read and written.
std::vector<BenchRow> bench_quantize(Context& context) {
  const QuantizeKernel& kernel = select_quantize(context.cpu, DType::F32);
  const int64_t rows = 1024, k = 1280;
  std::vector<float> x(static_cast<size_t>(rows * k)), input_scale(static_cast<size_t>(k), 1.1f), scales(static_cast<size_t>(rows * k / 64));
  for (size_t i = 0; i < x.size(); ++i) x[i] = 0.01f * static_cast<float>(i % 199) - 1;
  std::vector<int8_t> codes(x.size());
  std::vector<int32_t> sums(static_cast<size_t>(rows * k / 32));
  const double bytes = static_cast<double>(x.size()) * 5, peak = measure_read_bandwidth(size_t{4} << 20);
  const double by_row = best_cpu_seconds([&] {
    kernel.int8_rows(x.data(), rows, k, k, input_scale.data(), codes.data(), scales.data(), sums.data());
  });
  const double by_group = best_cpu_seconds([&] { kernel.int4_groups(x.data(), rows, k, k, input_scale.data(), 0, codes.data(), scales.data(), sums.data()); });
  return {{kernel.name, "int8 rows 1024 x 1280", bytes, by_row, peak}, {kernel.name, "int4 groups 1024 x 1280", bytes, by_group, peak}};
}

// Group norm's affine map, SiLU, smoothing and int8 codes of an image: as passes over memory, and a few rows at a time with the scale
// from channel extremes (ops/normed_input.h). Work: bytes of the input and of the codes.
std::vector<BenchRow> bench_normed_quantize(Context& context) {
  const QuantizeKernel& quantize = select_quantize(context.cpu, DType::F32);
  const NormKernel& norm = select_norm(context.cpu, DType::F32);
  const int64_t rows = 4096, k = 320, step = 16;
  std::vector<float> x(static_cast<size_t>(rows * k)), y(x.size()), factor(static_cast<size_t>(k), 1.1f), shift(static_cast<size_t>(k), 0.1f);
  for (size_t i = 0; i < x.size(); ++i) x[i] = 0.02f * static_cast<float>(i % 199) - 2;
  std::vector<float> low(factor.size()), high(factor.size());
  std::vector<int8_t> codes(x.size());
  std::vector<int32_t> sums(static_cast<size_t>(rows));
  const double bytes = static_cast<double>(x.size()) * 5, peak = measure_read_bandwidth(size_t{4} << 20);
  const double apart = best_cpu_seconds([&] {
    norm.affine(x.data(), k, y.data(), k, rows, k, factor.data(), shift.data(), true);
    const float most = quantize.absmax(y.data(), rows, k, factor.data());
    quantize.int8_scaled(y.data(), rows, k, k, factor.data(), most / 127, codes.data(), sums.data());
  });
  const double together = best_cpu_seconds([&] {
    for (int64_t r = 0; r < rows; r += kGroupNormBlockRows)
      quantize.channel_extremes(x.data() + r * k, kGroupNormBlockRows, k, low.data(), high.data());
    for (int64_t r = 0; r < rows; r += step) {
      norm.affine(x.data() + r * k, k, y.data(), k, step, k, factor.data(), shift.data(), true);
      quantize.int8_scaled(y.data(), step, k, k, factor.data(), 0.02f, codes.data() + r * k, sums.data() + r);
    }
  });
  return {{quantize.name, "norm, silu, int8 as passes 4096 x 320", bytes, apart, peak},
          {quantize.name, "norm, silu, int8 by rows 4096 x 320", bytes, together, peak}};
}

// Layer norm, int8 codes and the product with a branch's down of rank 32: as passes over memory, and a few rows at a time
// (ops/input_pass.h). Work: operations of the product.
std::vector<BenchRow> bench_normed_branch(Context& context, int64_t rows, int64_t k, double peak) {
  const int64_t rank = 32, step = 24;
  const QuantizeKernel& quantize = select_quantize(context.cpu, DType::BF16);
  const NormKernel& norm = select_norm(context.cpu, DType::BF16);
  const GemmKernel& gemm = select_gemm(context.cpu, DType::BF16);
  std::vector<BFloat16> x(static_cast<size_t>(rows * k)), y(x.size()), h(static_cast<size_t>(rows * rank)), down(static_cast<size_t>(rank * k));
  for (size_t i = 0; i < x.size(); ++i) x[i] = to_bf16(0.02f * static_cast<float>(i % 199) - 2);
  for (size_t i = 0; i < down.size(); ++i) down[i] = to_bf16(0.001f * static_cast<float>(i % 97));
  std::vector<float> gamma(static_cast<size_t>(k), 1.1f), scales(static_cast<size_t>(rows));
  std::vector<int8_t> codes(x.size());
  std::vector<int32_t> sums(static_cast<size_t>(rows));
  const std::shared_ptr<void> packed = allocate(packed_bytes(gemm, rank, k)), scratch = allocate(packed_scratch_bytes(gemm, k));
  const std::shared_ptr<void> gemm_scratch = allocate(gemm_scratch_bytes(gemm, 1, k));
  const WeightView weight{down.data(), DType::BF16, k, 0, 1};
  const auto prepare = [&](int64_t r, int64_t count, BFloat16* to) {
    norm.layer_norm(x.data() + r * k, k, to, k, count, k, gamma.data(), gamma.data(), 1e-5f, nullptr, nullptr);
    quantize.int8_rows(to, count, k, k, gamma.data(), codes.data() + r * k, scales.data() + r, sums.data() + r);
  };
  const double apart = best_cpu_seconds([&] {
    prepare(0, rows, y.data());
    run_gemm(gemm, {rows, rank, k, 1, y.data(), k, nullptr, weight, nullptr, nullptr, 0, h.data(), rank}, 0, rows, 0, rank, gemm_scratch.get());
  });
  const double together = best_cpu_seconds([&] {
    for (int64_t i = 0; i < packed_panels(gemm, rank); ++i) pack_panel(gemm, weight, rank, k, i, packed.get());
    for (int64_t r = 0; r < rows; r += step) {
      const int64_t count = std::min(step, rows - r);
      prepare(r, count, y.data());
      multiply_packed(gemm, packed.get(), rank, k, y.data(), count, h.data() + r * rank, scratch.get());
    }
  });
  const double work = 2.0 * static_cast<double>(rows * k * rank);
  const auto row = [&](const char* how, double seconds) {
    return BenchRow{gemm.name, format("norm, int8, down 32 {} {} x {}", how, rows, k), work, seconds, peak};
  };
  return {row("as passes", apart), row("by rows", together)};
}

}  // namespace

std::vector<BenchRow> bench_qgemm(Context& context) {
  std::vector<BenchRow> rows;
  const auto add = [&](const std::function<BenchRow()>& row) { rows.push_back(beside_peak(context.cpu, PeakKind::Int8Dot, row)); };
  for (const BenchShape& s : kShapes) {
    for (const WeightKind kind : {WeightKind::Int8, WeightKind::Int4}) add([&] { return bench_product(context, s, kind, 0); });
    add([&] { return bench_product(context, s, WeightKind::Int4, 32); });
    add([&] { return bench_grouped(context, s); });
  }
  for (BenchRow& row : bench_quantize(context)) rows.push_back(std::move(row));
  for (BenchRow& row : bench_normed_quantize(context)) rows.push_back(std::move(row));
  const double floats = measure_peak(context.cpu, PeakKind::F32Fma);
  for (const auto& [m, k] : {std::pair<int64_t, int64_t>{4096, 320}, {1024, 1280}, {4096, 1280}})
    for (BenchRow& row : bench_normed_branch(context, m, k, floats)) rows.push_back(std::move(row));
  return rows;
}

}  // namespace nibble::kernels
