// The oracle: double precision, the exponentials computed twice instead of stored.
#include <cmath>
#include <limits>

#include "kernels/softmax/table.h"

namespace nibble::kernels {
namespace {

template <typename T>
struct Scalar {
  static double logit(const SoftmaxArgs& args, int64_t r, int64_t c) {
    const double x = to_float(static_cast<const T*>(args.x)[r * args.x_stride + c]);
    return x * args.scale + (args.bias ? args.bias[r * args.bias_stride + c] : 0.0f);
  }

  static void run(const SoftmaxArgs& args, int64_t row_begin, int64_t row_end) {
    for (int64_t r = row_begin; r < row_end; ++r) {
      double largest = -std::numeric_limits<double>::infinity(), sum = 0.0;
      for (int64_t c = 0; c < args.columns; ++c) largest = std::fmax(largest, logit(args, r, c));
      const bool masked = std::isinf(largest) && largest < 0.0;
      for (int64_t c = 0; c < args.columns && !masked; ++c) sum += std::exp(logit(args, r, c) - largest);
      for (int64_t c = 0; c < args.columns; ++c) {
        const double value = masked ? 0.0 : std::exp(logit(args, r, c) - largest) / sum;
        static_cast<T*>(args.y)[r * args.y_stride + c] = from_float<T>(static_cast<float>(value));
      }
    }
  }

  static constexpr SoftmaxKernel kernel(const char* name, DType dtype) { return {name, Isa::Scalar, dtype, run}; }
};

}  // namespace

constexpr SoftmaxKernel softmax_f32_scalar = Scalar<float>::kernel("softmax_f32_scalar", DType::F32);
constexpr SoftmaxKernel softmax_bf16_scalar = Scalar<BFloat16>::kernel("softmax_bf16_scalar", DType::BF16);

}  // namespace nibble::kernels
