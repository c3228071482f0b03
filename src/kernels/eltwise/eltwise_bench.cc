// Element-wise maps of a feed-forward layer. Work: bytes read and written; the bound is reading from memory with one
// thread.
#include "base/error.h"
#include "kernels/bench.h"
#include "kernels/eltwise/eltwise.h"
#include "kernels/peaks/peaks.h"
#include "kernels/simd/bench_data.h"

namespace nibble::kernels {
namespace {

constexpr int64_t kRows = 4096, kColumns = 1280, kCount = kRows * kColumns;

void bench_kernel(const EltwiseKernel& kernel, double peak, std::vector<BenchRow>& rows) {
  const BenchArray x(kernel.dtype, 2 * kCount);
  BenchArray y(kernel.dtype, kCount);
  const auto add = [&](const char* what, int arrays, const std::function<void()>& body) {
    rows.push_back({kernel.name, format("{} {} x {}", what, kRows, kColumns),
                    static_cast<double>(arrays * kCount) * static_cast<double>(bytes_of(kernel.dtype)),
                    best_cpu_seconds(body), peak});
  };
  add("geglu", 3, [&] { kernel.glu(UnaryOp::GeluErf, GateOrder::ValueFirst, x.data(), y.data(), kRows, kColumns); });
  add("silu", 2, [&] { kernel.unary(UnaryOp::Silu, x.data(), y.data(), kCount); });
  add("gelu", 2, [&] { kernel.unary(UnaryOp::GeluErf, x.data(), y.data(), kCount); });
  add("add", 3, [&] { kernel.binary(BinaryOp::Add, x.data(), y.data(), y.data(), kCount); });
}

}  // namespace

std::vector<BenchRow> bench_eltwise(Context& context) {
  std::vector<BenchRow> rows;
  const double peak = measure_read_bandwidth(512u << 20);
  for (DType dtype : {DType::F32, DType::BF16}) bench_kernel(select_eltwise(context.cpu, dtype), peak, rows);
  return rows;
}

}  // namespace nibble::kernels
