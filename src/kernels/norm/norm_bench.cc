// Norms of a 64 x 64 feature map. Work: bytes read and written; the bound is reading from memory with one thread.
#include "base/error.h"
#include "kernels/bench.h"
#include "kernels/norm/norm.h"
#include "kernels/peaks/peaks.h"
#include "kernels/simd/bench_data.h"

namespace nibble::kernels {
namespace {

constexpr int64_t kPixels = 4096, kChannels = 320, kGroups = 32;

double bytes(const NormKernel& kernel, int passes) {
  return static_cast<double>(passes * kPixels * kChannels) * static_cast<double>(bytes_of(kernel.dtype));
}

void bench_kernel(const NormKernel& kernel, double peak, std::vector<BenchRow>& rows) {
  const BenchArray x(kernel.dtype, kPixels * kChannels), gamma(DType::F32, kChannels), beta(DType::F32, kChannels);
  BenchArray y(kernel.dtype, kPixels * kChannels);
  const auto *scale = static_cast<const float*>(gamma.data()), *shift = static_cast<const float*>(beta.data());
  const int64_t row_bytes = kChannels * static_cast<int64_t>(bytes_of(kernel.dtype));
  const auto add = [&](const char* what, int passes, const std::function<void()>& body) {
    rows.push_back({kernel.name, format("{} {} x {}", what, kPixels, kChannels), bytes(kernel, passes),
                    best_cpu_seconds(body), peak});
  };
  add("group statistics", 1, [&] {
    NormPartial partial[kGroups];
    for (int64_t r = 0; r < kPixels; r += kGroupNormBlockRows)
      kernel.group_partial(static_cast<const std::byte*>(x.data()) + r * row_bytes, kChannels, kGroupNormBlockRows,
                           kChannels, kGroups, partial);
  });
  for (const bool silu : {false, true})
    add(silu ? "group apply + silu" : "group apply", 2,
        [&] { kernel.affine(x.data(), kChannels, y.data(), kChannels, kPixels, kChannels, scale, shift, silu); });
  add("layer norm", 2, [&] {
    kernel.layer_norm(x.data(), kChannels, y.data(), kChannels, kPixels, kChannels, scale, shift, 1e-5f, nullptr,
                      nullptr);
  });
}

}  // namespace

std::vector<BenchRow> bench_norm(Context& context) {
  std::vector<BenchRow> rows;
  const double peak = measure_read_bandwidth(512u << 20);
  for (DType dtype : {DType::F32, DType::BF16}) bench_kernel(select_norm(context.cpu, dtype), peak, rows);
  return rows;
}

}  // namespace nibble::kernels
