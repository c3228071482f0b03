// Which input rows the taps of an output pixel read: implicit GEMM over NHWC, for every family of matrix kernels.
#pragma once

#include <cstddef>

#include "kernels/gemm/gemm.h"

namespace nibble::kernels {

// Walks the output pixels of a convolution in order, without divisions.
struct Pixel {
  int64_t image, y, x;
  void next(const ConvGeometry& g) {
    if (++x < g.out_width) return;
    x = 0;
    if (++y < g.out_height) return;
    y = 0;
    ++image;
  }
};

inline Pixel pixel_at(const ConvGeometry& g, int64_t m) {
  const int64_t row = m / g.out_width;
  return {row / g.out_height, row % g.out_height, m % g.out_width};
}

// The input rows that the taps of one output pixel read: rows[tap * mr].
inline void find_taps(const ConvGeometry& g, const Pixel& p, const std::byte* a, int64_t pixel_bytes, const void* zeros,
               int mr, const void** rows) {
  const int shift = g.upsample == 2 ? 1 : 0;
  const int64_t height = g.height << shift, width = g.width << shift, left = p.x * g.stride - g.pad_left;
  for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
    const int64_t y = p.y * g.stride + ky - g.pad_top;
    const bool is_line = y >= 0 && y < height;
    const std::byte* line = a + (p.image * g.height + (is_line ? y >> shift : 0)) * g.width * pixel_bytes;
    for (int64_t kx = 0; kx < g.kernel_w; ++kx, rows += mr) {
      const int64_t x = left + kx;
      *rows = is_line && x >= 0 && x < width ? line + (x >> shift) * pixel_bytes : zeros;
    }
  }
}

}  // namespace nibble::kernels
