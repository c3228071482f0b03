// Attention kernels in float against the formula in double.
#include "kernels/attention/attention_problem.h"

namespace nibble::kernels {
namespace {

TEST(Attention, Matches_double) {
  for (const AttentionKernel* kernel : runnable(kAttentionKernels))
    for (const Case& c : kCases) {
      if (kernel->form != AttentionForm::Float) continue;
      Problem p(kernel->dtype, c);
      p.run_all(*kernel);
      // A score is a float sum of d products of size spread; its error enters the exponent. |v| stays below 5.
      const double in_exponent = 0x1p-24 * (2 * std::sqrt(static_cast<double>(c.d)) + 8) * 4 * c.spread;
      // Weights rounded to bf16 move a mean of values by at most that rounding times their distance from it.
      const double weight_rounding = kernel->isa == Isa::Avx512Bf16 ? 2 * 0x1p-9 : 0.0;
      for (int64_t head = 0; head < c.heads; ++head)
        for (int64_t row = 0; row < c.lq; ++row) {
          const std::vector<double> want = exact_row(p, c, head, row);
          for (int64_t i = 0; i < c.d; ++i)
            ASSERT_NEAR(p.out[(row * c.heads + head) * c.d + i], want[i],
                        storage_epsilon(kernel->dtype) * std::fabs(want[i]) +
                            5 * (in_exponent + weight_rounding + 16 * 0x1p-24))
                << kernel->name << " lq " << c.lq << " lk " << c.lk << " d " << c.d << " row " << row << " head "
                << head;
        }
      ASSERT_TRUE(p.out.guards_whole()) << kernel->name;
    }
}

TEST(Attention, Any_split_gives_the_same_bits) {
  for (const AttentionKernel* kernel : runnable(kAttentionKernels))
    for (const Case& c : kCases) {
      Problem p(kernel->dtype, c);
      p.run_all(*kernel);
      const Array whole = p.out;
      for (int64_t head = c.heads; head-- > 0;)
        for (int64_t row = 0, n = 5; row < c.lq; row += n, n = n % 7 + 2)
          p.run(*kernel, head, row, std::min(row + n, c.lq));
      ASSERT_TRUE(whole.same_bits(p.out)) << kernel->name << " lq " << c.lq << " lk " << c.lk << " d " << c.d;
    }
}

}  // namespace
}  // namespace nibble::kernels
