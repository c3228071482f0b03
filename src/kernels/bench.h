// What a benchmark of kernels reports. Times are CPU time of one thread, the best of many runs, so that other work on
// the machine disturbs them little; `peak` is what this machine reaches in the same run, not a figure from a data
// sheet.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/cpu.h"
#include "kernels/peaks/peaks.h"

namespace nibble::kernels {

struct BenchRow {
  std::string name;   // kernel
  std::string shape;  // "M 4096 N 1280 K 1280"
  double work;        // operations (a multiply-add counts two) or bytes
  double seconds;
  double peak;  // work per second of the machine; 0: no bound known
  double rate() const { return work / seconds; }
  double ratio() const { return peak > 0 ? rate() / peak : 0; }
};

// Runs `body` until `budget_seconds` are used (at least 3 times) and returns its smallest thread CPU time.
double best_cpu_seconds(const std::function<void()>& body, double budget_seconds = 0.3);

// `row` with the peak of this kind, of `threads` threads, measured just before and just after it, the better of both: where
// a machine's speed wavers, a row and its peak waver together.
BenchRow beside_peak(CpuMask mask, PeakKind kind, const std::function<BenchRow()>& row, int threads = 1);

// Every row's best rate and best peak of all rounds, each of them over the whole family, which gives the same rows every
// time: a slow moment of the machine spoils one round only.
std::vector<BenchRow> best_of_rounds(const std::function<std::vector<BenchRow>()>& family, int rounds);

// One function per family, in its *_bench.cc.
std::vector<BenchRow> bench_peaks(Context& context);
std::vector<BenchRow> bench_gemm(Context& context);
std::vector<BenchRow> bench_qgemm(Context& context);
std::vector<BenchRow> bench_attention(Context& context);
std::vector<BenchRow> bench_norm(Context& context);
std::vector<BenchRow> bench_eltwise(Context& context);

}  // namespace nibble::kernels
