// Every resampling kernel against a direct formula; equality with torch is checked by the op's golden files.
#include <algorithm>

#include "kernels/resample/table.h"
#include "kernels/simd/test_data.h"

namespace nibble::kernels {
namespace {

constexpr ResampleShape kShapes[] = {{4, 5, 8, 10, 3}, {4, 5, 12, 15, 8}, {7, 6, 5, 9, 17}, {8, 8, 3, 3, 4},
                                     {1, 1, 4, 3, 33}, {5, 7, 5, 7, 9},   {3, 3, 1, 1, 1},  {16, 16, 31, 33, 6}};

double pixel(const Array& x, const ResampleShape& s, int64_t row, int64_t column, int64_t c) {
  return x[(std::min(row, s.in_h - 1) * s.in_w + std::min(column, s.in_w - 1)) * s.channels + c];
}

double source(int64_t i, int64_t in, int64_t out) {
  return std::max(0.0, (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5);
}

TEST(Resample, Nearest_takes_the_pixel_below) {
  for (const ResampleKernel* kernel : runnable(kResampleKernels))
    for (const ResampleShape& s : kShapes) {
      const Array x = Array::normal(kernel->dtype, s.in_h * s.in_w * s.channels);
      Array y(kernel->dtype, s.out_h * s.out_w * s.channels);
      kernel->nearest(s, x.data(), y.data(), 0, s.out_h);
      for (int64_t i = 0; i < y.size(); ++i) {
        const int64_t c = i % s.channels, column = i / s.channels % s.out_w, row = i / s.channels / s.out_w;
        ASSERT_EQ(y[i], pixel(x, s, row * s.in_h / s.out_h, column * s.in_w / s.out_w, c))
            << kernel->name << ' ' << s.in_h << "->" << s.out_h;
      }
      ASSERT_TRUE(y.guards_whole()) << kernel->name;
    }
}

TEST(Resample, Bilinear_blends_four_pixels) {
  for (const ResampleKernel* kernel : runnable(kResampleKernels))
    for (const ResampleShape& s : kShapes) {
      const Array x = Array::uniform(kernel->dtype, s.in_h * s.in_w * s.channels, -1, 1);
      Array y(kernel->dtype, s.out_h * s.out_w * s.channels);
      kernel->bilinear(s, x.data(), y.data(), 0, s.out_h);
      for (int64_t i = 0; i < y.size(); ++i) {
        const int64_t c = i % s.channels, column = i / s.channels % s.out_w, row = i / s.channels / s.out_w;
        const double v = source(row, s.in_h, s.out_h), h = source(column, s.in_w, s.out_w);
        const int64_t top = static_cast<int64_t>(v), left = static_cast<int64_t>(h);
        const double down = v - static_cast<double>(top), across = h - static_cast<double>(left);
        const double want =
            (pixel(x, s, top, left, c) * (1 - across) + pixel(x, s, top, left + 1, c) * across) * (1 - down) +
            (pixel(x, s, top + 1, left, c) * (1 - across) + pixel(x, s, top + 1, left + 1, c) * across) * down;
        // Positions are float32: an index below 64 carries 64 * 2^-24 into each weight.
        ASSERT_NEAR(y[i], want, storage_epsilon(kernel->dtype) * std::fabs(want) + 256 * 0x1p-24) << kernel->name;
      }
      ASSERT_TRUE(y.guards_whole()) << kernel->name;
    }
}

TEST(Resample, Rows_may_be_split_anywhere) {
  const ResampleShape s = {7, 6, 15, 13, 11};
  for (const ResampleKernel* kernel : runnable(kResampleKernels))
    for (const auto run : {kernel->nearest, kernel->bilinear}) {
      const Array x = Array::normal(kernel->dtype, s.in_h * s.in_w * s.channels);
      Array whole(kernel->dtype, s.out_h * s.out_w * s.channels), pieces(kernel->dtype, whole.size());
      run(s, x.data(), whole.data(), 0, s.out_h);
      run(s, x.data(), pieces.data(), 9, s.out_h);
      run(s, x.data(), pieces.data(), 0, 1);
      run(s, x.data(), pieces.data(), 1, 9);
      ASSERT_TRUE(whole.same_bits(pieces)) << kernel->name;
    }
}

}  // namespace
}  // namespace nibble::kernels
