#include "ops/gemm_run.h"

#include "ops/memory.h"

namespace nibble::ops {
size_t gemm_scratch(const Context& context, DType dtype, int64_t taps, int64_t k) {
  const kernels::GemmKernel& kernel = kernels::select_gemm(context.cpu, dtype);
  return aligned(kernels::gemm_scratch_bytes(kernel, taps, k)) * static_cast<size_t>(context.threads.size());
}

void run_gemm_threaded(Context& context, DType dtype, const kernels::GemmProblem& problem, std::byte* scratch) {
  const kernels::GemmKernel& kernel = kernels::select_gemm(context.cpu, dtype);
  const size_t share = aligned(kernels::gemm_scratch_bytes(kernel, problem.taps, problem.k));
  // Few rows: split the columns, so that every weight is expanded by one thread only.
  constexpr int64_t kFewRows = 512;
  const int threads = context.threads.size();
  if (problem.m < kFewRows && problem.n >= int64_t{threads} * kernel.nr) {
    context.threads.run(problem.n, kernel.nr, [&](int64_t begin, int64_t end, int thread) {
      kernels::run_gemm(kernel, problem, 0, problem.m, begin, end, scratch + share * static_cast<size_t>(thread));
    });
    return;
  }
  context.threads.run(problem.m, kernel.mr, [&](int64_t begin, int64_t end, int thread) {
    kernels::run_gemm(kernel, problem, begin, end, 0, problem.n, scratch + share * static_cast<size_t>(thread));
  });
}

}  // namespace nibble::ops
