// The page of benchmarks that `nibble bench --write` keeps.
#pragma once

#include "kernels/bench.h"
#include "tasks/bench_model.h"

namespace nibble {

struct BenchTables {
  std::vector<ModelBench> models;
  std::vector<kernels::BenchRow> layers, kernels;
};

// A page without measurements.
std::string new_bench_page();

// The page with what was measured in its tables, between its two marks. Rows of the same model, weights, arithmetic and
// size, or of the same kernel and shape, are replaced where they stand, others stay, so that a page may be measured in
// parts; rows of another `machine` (one line) go. Throws Error{InvalidArgument} for a page without the marks, which it
// calls `name`.
std::string updated_bench_page(const std::string& page, const std::string& name, const std::string& machine,
                               const BenchTables& measured);

}  // namespace nibble
