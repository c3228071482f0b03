#include "kernels/peaks/peaks.h"

#include <algorithm>
#include <vector>

#include "kernels/bench.h"
#include "kernels/peaks/table.h"

namespace nibble::kernels {

double measure_peak(const PeakLoop& loop) {
  constexpr int64_t kIterations = 200'000;
  volatile float sink = 0;
  const double seconds = best_cpu_seconds([&] { sink = loop.run(kIterations); }, 0.1);
  return static_cast<double>(loop.operations * kIterations) / seconds;
}

double measure_peak(CpuMask mask, PeakKind kind) {
  double best = 0;
  for (const PeakLoop* loop : kPeakLoops)
    if (loop->kind == kind && (mask.has(loop->isa) || loop->isa == Isa::Scalar))
      best = std::max(best, measure_peak(*loop));
  return best;
}

double measure_read_bandwidth(size_t bytes) {
  const std::vector<uint64_t> buffer(std::max<size_t>(bytes / sizeof(uint64_t), 64), 1);
  const size_t passes = std::max<size_t>(1, (size_t{64} << 20) / bytes);
  volatile uint64_t sink = 0;
  const double seconds = best_cpu_seconds(
      [&] {
        uint64_t sum[8] = {};
        for (size_t pass = 0; pass < passes; ++pass)
          for (size_t i = 0; i + 8 <= buffer.size(); i += 8)
            for (size_t j = 0; j < 8; ++j) sum[j] ^= buffer[i + j] + pass;
        for (uint64_t part : sum) sink = sink ^ part;
      },
      0.2);
  return static_cast<double>(passes * bytes) / seconds;
}

}  // namespace nibble::kernels
