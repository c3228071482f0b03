// The oracle: source positions as torch computes them (float32), the blend in double.
#include "kernels/resample/source_position.h"
#include "kernels/resample/table.h"

namespace nibble::kernels {
namespace {

template <typename T>
struct Scalar {
  static const T* pixel(const ResampleShape& s, const void* x, int64_t row, int64_t column) {
    return static_cast<const T*>(x) + (row * s.in_w + column) * s.channels;
  }

  static void nearest(const ResampleShape& s, const void* x, void* y, int64_t row_begin, int64_t row_end) {
    for (int64_t row = row_begin; row < row_end; ++row)
      for (int64_t column = 0; column < s.out_w; ++column) {
        const T* from = pixel(s, x, nearest_source(row, s.in_h, s.out_h), nearest_source(column, s.in_w, s.out_w));
        T* to = static_cast<T*>(y) + (row * s.out_w + column) * s.channels;
        for (int64_t c = 0; c < s.channels; ++c) to[c] = from[c];
      }
  }

  static void bilinear(const ResampleShape& s, const void* x, void* y, int64_t row_begin, int64_t row_end) {
    for (int64_t row = row_begin; row < row_end; ++row) {
      const LinearSource v = linear_source(row, s.in_h, s.out_h);
      for (int64_t column = 0; column < s.out_w; ++column) {
        const LinearSource h = linear_source(column, s.in_w, s.out_w);
        const T *a = pixel(s, x, v.first, h.first), *b = pixel(s, x, v.first, h.second);
        const T *c = pixel(s, x, v.second, h.first), *d = pixel(s, x, v.second, h.second);
        T* to = static_cast<T*>(y) + (row * s.out_w + column) * s.channels;
        for (int64_t i = 0; i < s.channels; ++i) {
          const double top = to_float(a[i]) * (1.0 - h.weight) + to_float(b[i]) * double{h.weight};
          const double bottom = to_float(c[i]) * (1.0 - h.weight) + to_float(d[i]) * double{h.weight};
          to[i] = from_float<T>(static_cast<float>(top * (1.0 - v.weight) + bottom * v.weight));
        }
      }
    }
  }

  static constexpr ResampleKernel kernel(const char* name, DType dtype) {
    return {name, Isa::Scalar, dtype, nearest, bilinear};
  }
};

}  // namespace

constexpr ResampleKernel resample_f32_scalar = Scalar<float>::kernel("resample_f32_scalar", DType::F32);
constexpr ResampleKernel resample_bf16_scalar = Scalar<BFloat16>::kernel("resample_bf16_scalar", DType::BF16);

}  // namespace nibble::kernels
