// Splits one gemm problem over the context's threads. The split never changes a result.
#pragma once

#include "base/context.h"
#include "graph/op.h"
#include "kernels/gemm/gemm.h"

namespace nibble::ops {

size_t gemm_scratch(const Context& context, DType dtype, int64_t taps, int64_t k);
void run_gemm_threaded(Context& context, DType dtype, const kernels::GemmProblem& problem, std::byte* scratch);

}  // namespace nibble::ops
