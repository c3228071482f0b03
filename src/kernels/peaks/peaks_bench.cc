#include "kernels/bench.h"
#include "kernels/peaks/table.h"

namespace nibble::kernels {

std::vector<BenchRow> bench_peaks(Context& context) {
  std::vector<BenchRow> rows;
  for (const PeakLoop* loop : kPeakLoops) {
    if (!context.cpu.has(loop->isa)) continue;
    const double peak = measure_peak(*loop);
    rows.push_back({loop->name, "registers only", peak, 1.0, peak});
  }
  for (const auto& [shape, bytes] : {std::pair{"16 kB", 16u << 10}, {"256 kB", 256u << 10}, {"256 MB", 256u << 20}}) {
    const double bandwidth = measure_read_bandwidth(bytes);
    rows.push_back({"read_memory", shape, bandwidth, 1.0, bandwidth});
  }
  return rows;
}

}  // namespace nibble::kernels
