// Attention layers of Stable Diffusion 1.5, SDXL and the autoencoder, one head after the other. Work: the useful
// multiply-adds of both products, so the softmax counts as nothing.
#include "base/error.h"
#include "kernels/attention/attention.h"
#include "kernels/bench.h"
#include "kernels/peaks/peaks.h"
#include "kernels/simd/bench_data.h"

namespace nibble::kernels {
namespace {

struct BenchShape {
  int64_t lq, lk, heads, d;
};

constexpr BenchShape kShapes[] = {{4096, 4096, 10, 64}, {4096, 4096, 8, 40}, {1024, 1024, 20, 64}, {1024, 1024, 8, 80},
                                  {256, 256, 8, 160},   {4096, 77, 10, 64},  {4096, 4096, 1, 512}};
// Of the forms with bytes.
constexpr BenchShape kInt8Shapes[] = {{4096, 4096, 10, 64}, {1024, 1024, 20, 64}, {4096, 77, 10, 64}};

BenchRow bench_layer(const AttentionKernel& kernel, const BenchShape& s) {
  const int64_t channels = s.heads * s.d;
  const BenchArray q(kernel.dtype, s.lq * channels), k(kernel.dtype, s.lk * channels), v(kernel.dtype, s.lk * channels);
  BenchArray out(kernel.dtype, s.lq * channels);
  const AttentionArgs args = {q.data(), k.data(), v.data(), out.data(), channels, channels,
                              channels, channels, s.lq,     s.lk,       s.d,      0.125f};
  BenchArray scratch(DType::F32, static_cast<int64_t>(kernel.scratch_bytes(s.lk, s.d) / sizeof(float)) + 1);
  const int64_t heads = std::min<int64_t>(s.heads, 2);  // the others take the same time
  const double seconds = best_cpu_seconds([&] {
    for (int64_t head = 0; head < heads; ++head) kernel.run(args, head, 0, s.lq, scratch.data());
  });
  const std::string shape = format("{} queries {} keys {} heads of {}", s.lq, s.lk, s.heads, s.d);
  return {kernel.name, shape, 4.0 * static_cast<double>(s.lq * s.lk * s.d * heads), seconds, 0};
}

}  // namespace

std::vector<BenchRow> bench_attention(Context& context) {
  std::vector<BenchRow> rows;
  const auto add = [&](const AttentionKernel& kernel, const BenchShape& shape, PeakKind peak) {
    rows.push_back(beside_peak(context.cpu, peak, [&] { return bench_layer(kernel, shape); }));
  };
  for (DType dtype : {DType::F32, DType::BF16}) {
    const AttentionKernel& kernel = select_attention(context.cpu, dtype);
    for (const BenchShape& shape : kShapes)
      add(kernel, shape, kernel.isa == Isa::Avx512Bf16 ? PeakKind::Bf16Dot : PeakKind::F32Fma);
    for (AttentionForm form : {AttentionForm::Int8Scores, AttentionForm::Int8})
      for (const BenchShape& shape : kInt8Shapes)
        add(select_attention(context.cpu, dtype, form), shape, PeakKind::Int8Dot);
  }
  return rows;
}

}  // namespace nibble::kernels
