// Shapes of Stable Diffusion's UNet: linear layers, 3x3 convolutions, and the expansion of weights alone.
#include <vector>

#include "base/error.h"
#include "kernels/bench.h"
#include "kernels/gemm/table.h"
#include "kernels/peaks/peaks.h"

namespace nibble::kernels {
namespace {

struct BenchShape {
  int64_t m, n, k, side;  // side > 0: a 3x3 convolution on a side x side image
};

constexpr BenchShape kShapes[] = {
    {4096, 320, 320, 0},  {4096, 2560, 320, 0},  {4096, 320, 1280, 0}, {1024, 640, 640, 0},
    {256, 1280, 1280, 0}, {256, 1280, 5120, 0},  {77, 320, 768, 0},    {4096, 320, 320, 64},
    {1024, 640, 640, 32}, {256, 1280, 1280, 16}, {64, 1280, 1280, 8},  {4096, 320, 4, 64},
};

// Random bytes are no floats; small equal values time the same as any.
std::vector<std::byte> filled(DType dtype, int64_t count) {
  std::vector<std::byte> bytes(static_cast<size_t>(count) * bytes_of(dtype));
  for (int64_t i = 0; i < count; ++i) {
    const float x = 0.01f * static_cast<float>(i % 17 - 8);
    if (dtype == DType::F32)
      reinterpret_cast<float*>(bytes.data())[i] = x;
    else if (dtype == DType::F16)
      reinterpret_cast<Float16*>(bytes.data())[i] = to_f16(x);
    else
      reinterpret_cast<BFloat16*>(bytes.data())[i] = to_bf16(x);
  }
  return bytes;
}

std::string describe(const BenchShape& s, DType weight) {
  if (s.side > 0) return format("conv 3x3 {}x{} {} -> {}, weights {}", s.side, s.side, s.k, s.n, to_string(weight));
  return format("M {} N {} K {}, weights {}", s.m, s.n, s.k, to_string(weight));
}

WeightView view_of(const std::vector<std::byte>& weights, DType dtype, const BenchShape& s) {
  if (s.side > 0) return {weights.data(), dtype, 9 * s.k, 1, 9};
  return {weights.data(), dtype, s.k, 0, 1};
}

BenchRow bench_product(const GemmKernel& kernel, const BenchShape& s, DType weight_type) {
  const int64_t taps = s.side > 0 ? 9 : 1;
  const ConvGeometry conv = {s.side, s.side, s.side, s.side, 3, 3, 1, 1, 1, 1};
  const std::vector<std::byte> a = filled(kernel.dtype, s.m * s.k), weights = filled(weight_type, s.n * s.k * taps);
  std::vector<std::byte> c(static_cast<size_t>(s.m * s.n) * bytes_of(kernel.dtype));
  std::vector<std::byte> scratch(gemm_scratch_bytes(kernel, taps, s.k));
  const std::vector<float> bias(static_cast<size_t>(s.n), 0.5f);
  GemmProblem problem = {s.m, s.n, s.k, taps};
  problem.a = a.data();
  problem.a_stride = s.k;
  problem.conv = s.side > 0 ? &conv : nullptr;
  problem.weight = view_of(weights, weight_type, s);
  problem.bias = bias.data();
  problem.c = c.data();
  problem.c_stride = s.n;
  const double seconds = best_cpu_seconds([&] { run_gemm(kernel, problem, 0, s.m, 0, s.n, scratch.data()); });
  const double work = 2.0 * static_cast<double>(s.m * s.n * s.k * taps);
  return {kernel.name, describe(s, weight_type), work, seconds, 0};
}

// Weights larger than the caches, so this is what a pass over a model's weights costs. Work: weights expanded.
BenchRow bench_pack(const GemmKernel& kernel, DType weight_type, bool oihw) {
  const BenchShape s = {0, 2560, oihw ? 1280 : 11520, oihw ? 1 : 0};
  const int64_t taps = oihw ? 9 : 1;
  const std::vector<std::byte> weights = filled(weight_type, s.n * s.k * taps);
  std::vector<std::byte> panel(kernel.panel_bytes(taps, s.k));
  const double seconds = best_cpu_seconds([&] {
    for (int64_t n = 0; n + kernel.nr <= s.n; n += kernel.nr)
      kernel.pack(view_of(weights, weight_type, s), n, kernel.nr, taps, s.k, panel.data());
  });
  const std::string shape = format("expand {} weights {}", oihw ? "OIHW 3x3" : "[N, K]", to_string(weight_type));
  return {kernel.name, shape, static_cast<double>(s.n * s.k * taps), seconds, 0};
}

}  // namespace

std::vector<BenchRow> bench_gemm(Context& context) {
  std::vector<BenchRow> rows;
  for (DType dtype : {DType::F32, DType::BF16}) {
    const GemmKernel& kernel = select_gemm(context.cpu, dtype);
    const PeakKind peak = kernel.isa == Isa::Avx512Bf16 ? PeakKind::Bf16Dot : PeakKind::F32Fma;
    for (const BenchShape& shape : kShapes)
      rows.push_back(beside_peak(context.cpu, peak, [&] { return bench_product(kernel, shape, DType::F16); }));
    for (bool oihw : {false, true})
      for (DType weight : {DType::F32, DType::F16, DType::BF16}) rows.push_back(bench_pack(kernel, weight, oihw));
  }
  return rows;
}

}  // namespace nibble::kernels
