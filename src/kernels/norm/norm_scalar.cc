// The oracle: two passes in double precision.
#include <cmath>

#include "kernels/norm/table.h"

namespace nibble::kernels {
namespace {

template <typename T>
struct Scalar {
  static const T* row_of(const void* x, int64_t stride, int64_t r) { return static_cast<const T*>(x) + r * stride; }
  static T* row_of(void* y, int64_t stride, int64_t r) { return static_cast<T*>(y) + r * stride; }

  static void group_partial(const void* x, int64_t x_stride, int64_t rows, int64_t channels, int64_t groups,
                            NormPartial* partial) {
    const int64_t width = channels / groups;
    const double count = static_cast<double>(rows * width);
    for (int64_t g = 0; g < groups; ++g) {
      double sum = 0.0, m2 = 0.0;
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = g * width; c < (g + 1) * width; ++c) sum += to_float(row_of(x, x_stride, r)[c]);
      const double mean = sum / count;
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = g * width; c < (g + 1) * width; ++c) {
          const double distance = to_float(row_of(x, x_stride, r)[c]) - mean;
          m2 += distance * distance;
        }
      partial[g] = {count, mean, m2};
    }
  }

  static void affine(const void* x, int64_t x_stride, void* y, int64_t y_stride, int64_t rows, int64_t channels,
                     const float* scale, const float* shift, bool silu) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < channels; ++c) {
        double value = static_cast<double>(to_float(row_of(x, x_stride, r)[c])) * scale[c] + shift[c];
        if (silu) value /= 1.0 + std::exp(-value);
        row_of(y, y_stride, r)[c] = from_float<T>(static_cast<float>(value));
      }
  }

  static void layer_norm(const void* x, int64_t x_stride, void* y, int64_t y_stride, int64_t rows, int64_t columns,
                         const float* gamma, const float* beta, float epsilon, float* mean_out, float* rstd_out) {
    for (int64_t r = 0; r < rows; ++r) {
      NormPartial moments;
      group_partial(row_of(x, x_stride, r), x_stride, 1, columns, 1, &moments);
      const double rstd = 1.0 / std::sqrt(moments.m2 / moments.count + epsilon);
      for (int64_t c = 0; c < columns; ++c) {
        double value = (to_float(row_of(x, x_stride, r)[c]) - moments.mean) * rstd;
        if (gamma) value *= gamma[c];
        if (beta) value += beta[c];
        row_of(y, y_stride, r)[c] = from_float<T>(static_cast<float>(value));
      }
      if (mean_out) mean_out[r] = static_cast<float>(moments.mean);
      if (rstd_out) rstd_out[r] = static_cast<float>(rstd);
    }
  }

  static void rms_norm(const void* x, int64_t x_stride, void* y, int64_t y_stride, int64_t rows, int64_t columns,
                       const float* gamma, float epsilon, float* rstd_out) {
    for (int64_t r = 0; r < rows; ++r) {
      double sum = 0.0;
      for (int64_t c = 0; c < columns; ++c) {
        const double value = to_float(row_of(x, x_stride, r)[c]);
        sum += value * value;
      }
      const double rstd = 1.0 / std::sqrt(sum / static_cast<double>(columns) + epsilon);
      for (int64_t c = 0; c < columns; ++c) {
        const double value = to_float(row_of(x, x_stride, r)[c]) * rstd * (gamma ? gamma[c] : 1.0);
        row_of(y, y_stride, r)[c] = from_float<T>(static_cast<float>(value));
      }
      if (rstd_out) rstd_out[r] = static_cast<float>(rstd);
    }
  }

  static constexpr NormKernel kernel(const char* name, DType dtype) {
    return {name, Isa::Scalar, dtype, group_partial, affine, layer_norm, rms_norm};
  }
};

}  // namespace

constexpr NormKernel norm_f32_scalar = Scalar<float>::kernel("norm_f32_scalar", DType::F32);
constexpr NormKernel norm_bf16_scalar = Scalar<BFloat16>::kernel("norm_bf16_scalar", DType::BF16);

}  // namespace nibble::kernels
