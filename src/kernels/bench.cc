#include "kernels/bench.h"

#include <time.h>

#include <algorithm>

namespace nibble::kernels {
namespace {

double thread_cpu_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

double best_cpu_seconds(const std::function<void()>& body, double budget_seconds) {
  const double start = thread_cpu_seconds();
  double best = 1e30, now = start;
  for (int runs = 0; runs < 3 || now - start < budget_seconds; ++runs) {
    const double begin = thread_cpu_seconds();
    body();
    now = thread_cpu_seconds();
    best = std::min(best, now - begin);
  }
  return best;
}

BenchRow beside_peak(CpuMask mask, PeakKind kind, const std::function<BenchRow()>& row, int threads) {
  const double before = measure_peak(mask, kind);
  BenchRow found = row();
  found.peak = threads * std::max(before, measure_peak(mask, kind));
  return found;
}

std::vector<BenchRow> best_of_rounds(const std::function<std::vector<BenchRow>()>& family, int rounds) {
  std::vector<BenchRow> best = family();
  for (int round = 1; round < rounds; ++round) {
    const std::vector<BenchRow> again = family();
    for (size_t i = 0; i < best.size(); ++i) {
      const double peak = std::max(best[i].peak, again[i].peak);
      if (again[i].rate() > best[i].rate()) best[i] = again[i];
      best[i].peak = peak;
    }
  }
  return best;
}

}  // namespace nibble::kernels
