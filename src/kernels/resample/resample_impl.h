// The resampling kernels over the Vec of the including resample_<isa>.cc.
#pragma once

#include "kernels/resample/source_position.h"
#include "kernels/resample/table.h"

namespace nibble::kernels {
namespace {

constexpr int64_t kWidth = Vec::kWidth;

template <typename T>
struct Resample {
  static const T* pixel(const ResampleShape& s, const void* x, int64_t row, int64_t column) {
    return static_cast<const T*>(x) + (row * s.in_w + column) * s.channels;
  }

  static void nearest(const ResampleShape& s, const void* x, void* y, int64_t row_begin, int64_t row_end) {
    const size_t bytes = static_cast<size_t>(s.channels) * sizeof(T);
    T* to = static_cast<T*>(y) + row_begin * s.out_w * s.channels;
    for (int64_t row = row_begin; row < row_end; ++row) {
      const int64_t source_row = nearest_source(row, s.in_h, s.out_h);
      for (int64_t column = 0; column < s.out_w; ++column, to += s.channels)
        __builtin_memcpy(to, pixel(s, x, source_row, nearest_source(column, s.in_w, s.out_w)), bytes);
    }
  }

  static void bilinear(const ResampleShape& s, const void* x, void* y, int64_t row_begin, int64_t row_end) {
    T* to = static_cast<T*>(y) + row_begin * s.out_w * s.channels;
    for (int64_t row = row_begin; row < row_end; ++row) {
      const LinearSource v = linear_source(row, s.in_h, s.out_h);
      for (int64_t column = 0; column < s.out_w; ++column, to += s.channels) {
        const LinearSource h = linear_source(column, s.in_w, s.out_w);
        const T* const corners[4] = {pixel(s, x, v.first, h.first), pixel(s, x, v.first, h.second),
                                     pixel(s, x, v.second, h.first), pixel(s, x, v.second, h.second)};
        blend(corners, h.weight, v.weight, s.channels, to);
      }
    }
  }

  // corners: top left, top right, bottom left, bottom right
  static void blend(const T* const corners[4], float across, float down, int64_t channels, T* y) {
    const Vec left = set(1.0f - across), right = set(across), upper = set(1.0f - down), lower = set(down);
    const auto mix = [=](Vec a, Vec b, Vec c, Vec d) {
      return fma(fma(a, left, b * right), upper, fma(c, left, d * right) * lower);
    };
    int64_t i = 0;
    for (; i + kWidth <= channels; i += kWidth)
      store(y + i, mix(load(corners[0] + i), load(corners[1] + i), load(corners[2] + i), load(corners[3] + i)));
    if (const int64_t n = channels - i; n > 0)
      store_part(y + i,
                 mix(load_part(corners[0] + i, n), load_part(corners[1] + i, n), load_part(corners[2] + i, n),
                     load_part(corners[3] + i, n)),
                 n);
  }

  static constexpr ResampleKernel kernel(const char* name, DType dtype) {
    return {name, kIsa, dtype, nearest, bilinear};
  }
};

}  // namespace
}  // namespace nibble::kernels
