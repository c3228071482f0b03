// Rows multiplied a few at a time by a packed weight: the bits of run_gemm over all of them.
#include "kernels/gemm/packed_rows.h"

#include <gtest/gtest.h>

#include <random>

#include "kernels/gemm/table.h"
#include "kernels/test_cpu.h"
#include "tensor/tensor.h"

namespace nibble::kernels {
namespace {

template <typename T>
void expect_equal(const GemmKernel& kernel, int64_t m, int64_t n, int64_t k, int64_t step) {
  constexpr uint32_t kSeed = 5;
  std::mt19937 random(kSeed);
  std::normal_distribution<float> normal;
  std::vector<T> rows, want(static_cast<size_t>(m * n)), got(want.size());
  std::vector<BFloat16> weight;
  for (int64_t i = 0; i < m * k; ++i) rows.push_back(from_float<T>(normal(random)));
  for (int64_t i = 0; i < n * k; ++i) weight.push_back(to_bf16(normal(random)));
  const WeightView view{weight.data(), DType::BF16, k, 0, 1};

  GemmProblem p{};
  p.m = m, p.n = n, p.k = k, p.taps = 1;
  p.a = rows.data(), p.a_stride = k, p.weight = view;
  p.c = want.data(), p.c_stride = n;
  run_gemm(kernel, p, 0, m, 0, n, allocate(gemm_scratch_bytes(kernel, 1, k)).get());

  const std::shared_ptr<void> packed = allocate(packed_bytes(kernel, n, k)),
                              scratch = allocate(packed_scratch_bytes(kernel, k));
  for (int64_t i = 0; i < packed_panels(kernel, n); ++i) pack_panel(kernel, view, n, k, i, packed.get());
  for (int64_t i = 0; i < m; i += step)
    multiply_packed(kernel, packed.get(), n, k, &rows[static_cast<size_t>(i * k)], std::min(step, m - i),
                    &got[static_cast<size_t>(i * n)], scratch.get());
  for (size_t i = 0; i < want.size(); ++i)
    ASSERT_EQ(to_float(got[i]), to_float(want[i]))
        << kernel.name << " " << m << "x" << n << "x" << k << " at " << i << ", seed " << kSeed;
}

TEST(PackedRows, Give_the_bits_of_the_whole_product) {
  for (const GemmKernel* kernel : kGemmKernels) {
    if (!tested_cpu().has(kernel->isa)) continue;
    for (const int64_t n : {1, 16, 32, 37})
      for (const int64_t k : {1, 40, 200})
        for (const int64_t step : {1, 16}) {
          if (kernel->dtype == DType::F32)
            expect_equal<float>(*kernel, 39, n, k, step);
          else
            expect_equal<BFloat16>(*kernel, 39, n, k, step);
        }
  }
}

}  // namespace
}  // namespace nibble::kernels
