#include "metrics/difference.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace nibble {
namespace {

void check_sizes(const Image& a, const Image& b) {
  NIBBLE_CHECK(a.width == b.width && a.height == b.height && a.channels == b.channels, "pictures {}x{}x{} and {}x{}x{}",
               a.width, a.height, a.channels, b.width, b.height, b.channels);
  NIBBLE_CHECK(!a.pixels.empty());
}

double mean(int64_t sum, const Image& image) { return static_cast<double>(sum) / static_cast<double>(image.pixels.size()); }

}  // namespace

double mean_squared_error(const Image& reference, const Image& image) {
  check_sizes(reference, image);
  int64_t sum = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    const int d = reference.pixels[i] - image.pixels[i];
    sum += d * d;
  }
  return mean(sum, image);
}

double mean_absolute_difference(const Image& reference, const Image& image) {
  check_sizes(reference, image);
  int64_t sum = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i) sum += std::abs(reference.pixels[i] - image.pixels[i]);
  return mean(sum, image);
}

double largest_difference(const Image& reference, const Image& image) {
  check_sizes(reference, image);
  int largest = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(reference.pixels[i] - image.pixels[i]));
  }
  return largest;
}

double psnr(const Image& reference, const Image& image) { return psnr_of_mse(mean_squared_error(reference, image)); }

double psnr_of_mse(double mse) {
  return mse == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(255.0 * 255.0 / mse);
}

}  // namespace nibble
