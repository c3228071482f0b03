// Every softmax kernel against the double formula.
#include <algorithm>

#include "kernels/simd/test_data.h"
#include "kernels/softmax/table.h"

namespace nibble::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Softmax, Matches_double_with_scale_and_bias) {
  for (const SoftmaxKernel* kernel : runnable(kSoftmaxKernels))
    for (const int64_t columns : {1, 3, 8, 13, 16, 17, 64, 77, 1000})
      for (const int biased : {0, 1, 2}) {
        const int64_t rows = 3, stride = columns + 5;
        const Array x = Array::normal(kernel->dtype, rows * stride, 0.0f, 8.0f);
        Array bias = Array::normal(DType::F32, rows * columns, 0.0f, 4.0f);
        for (int64_t i = 1; i < bias.size(); i += 7) bias.set(i, -kInfinity);
        Array y(kernel->dtype, rows * columns);
        SoftmaxArgs args = {x.data(), stride, y.data(), columns, columns, 0.7f};
        if (biased > 0) args.bias = bias.floats();
        if (biased == 2) args.bias_stride = columns;
        kernel->run(args, 0, rows);
        for (int64_t r = 0; r < rows; ++r) {
          const auto logit = [&](int64_t c) {
            return x[r * stride + c] * 0.7f + (biased ? bias[r * args.bias_stride + c] : 0.0);
          };
          double largest = -kInfinity, sum = 0.0;
          for (int64_t c = 0; c < columns; ++c) largest = std::max(largest, logit(c));
          for (int64_t c = 0; c < columns; ++c) sum += std::exp(logit(c) - largest);
          for (int64_t c = 0; c < columns; ++c) {
            const double want = std::isinf(largest) ? 0.0 : std::exp(logit(c) - largest) / sum;
            // A logit of size up to 40 carries 40 rounding units into the exponent.
            ASSERT_NEAR(y[r * columns + c], want, (storage_epsilon(kernel->dtype) + 100 * 0x1p-24) * want + 1e-37)
                << kernel->name << " columns " << columns << " bias " << biased;
          }
        }
        ASSERT_TRUE(y.guards_whole()) << kernel->name;
      }
}

TEST(Softmax, Masked_row_is_zero_and_huge_logits_do_not_overflow) {
  for (const SoftmaxKernel* kernel : runnable(kSoftmaxKernels)) {
    const Array x = Array::uniform(kernel->dtype, 20, 1e4f, 2e4f);
    Array bias(DType::F32, 10), y(kernel->dtype, 20);
    for (int64_t i = 0; i < 10; ++i) bias.set(i, -kInfinity);
    SoftmaxArgs args = {x.data(), 10, y.data(), 10, 10};
    kernel->run(args, 0, 2);
    double sum = 0.0;
    for (int64_t i = 0; i < 10; ++i) sum += y[i];
    EXPECT_NEAR(sum, 1.0, 10 * storage_epsilon(kernel->dtype)) << kernel->name;
    args.bias = bias.floats();
    kernel->run(args, 0, 2);
    for (int64_t i = 0; i < 20; ++i) EXPECT_EQ(y[i], 0.0) << kernel->name;
  }
}

TEST(Softmax, Rows_may_be_split_anywhere) {
  for (const SoftmaxKernel* kernel : runnable(kSoftmaxKernels)) {
    const int64_t rows = 7, columns = 77;
    const Array x = Array::normal(kernel->dtype, rows * columns, 0.0f, 3.0f);
    Array whole(kernel->dtype, rows * columns), pieces(kernel->dtype, rows * columns);
    SoftmaxArgs args = {x.data(), columns, whole.data(), columns, columns};
    kernel->run(args, 0, rows);
    args.y = pieces.data();
    for (const int64_t r : {6, 0, 3, 1, 2, 5, 4}) kernel->run(args, r, r + 1);
    ASSERT_TRUE(whole.same_bits(pieces)) << kernel->name;
  }
}

}  // namespace
}  // namespace nibble::kernels
