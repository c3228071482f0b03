#include "metrics/ssim.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"

namespace nibble {
namespace {

constexpr int64_t kRadius = 5;
constexpr double kSigma = 1.5;
constexpr double kC1 = 0.01 * 0.01, kC2 = 0.03 * 0.03;
constexpr std::array<double, 5> kScaleWeights = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
constexpr int64_t kMinScale = 11;  // pixels of a side at the last scale: the window

// One channel, values 0…1.
struct Plane {
  int64_t width, height;
  std::vector<double> values;
  Plane(int64_t w, int64_t h) : width(w), height(h), values(static_cast<size_t>(w * h)) {}
  double* row(int64_t y) { return values.data() + y * width; }
  const double* row(int64_t y) const { return values.data() + y * width; }
};

Plane channel_of(const Image& image, int64_t channel) {
  Plane plane(image.width, image.height);
  const uint8_t* from = image.pixels.data() + channel;
  for (double& value : plane.values) {
    value = *from / 255.0;
    from += image.channels;
  }
  return plane;
}

Plane product(const Plane& a, const Plane& b) {
  Plane out(a.width, a.height);
  std::transform(a.values.begin(), a.values.end(), b.values.begin(), out.values.begin(), std::multiplies<>());
  return out;
}

// Index i outside [0, size) mirrored without repeating the edge.
int64_t reflect(int64_t i, int64_t size) {
  if (i < 0) return -i;
  return i < size ? i : 2 * (size - 1) - i;
}

Plane blurred(const Plane& plane) {
  const auto window = ssim_window();
  const int64_t width = plane.width, height = plane.height;
  Plane rows(width, height), out(width, height);
  std::vector<double> padded(static_cast<size_t>(width + 2 * kRadius));
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = -kRadius; x < width + kRadius; ++x) {
      padded[static_cast<size_t>(x + kRadius)] = plane.row(y)[reflect(x, width)];
    }
    double* to = rows.row(y);
    for (size_t k = 0; k < window.size(); ++k) {
      for (int64_t x = 0; x < width; ++x) to[x] += window[k] * padded[static_cast<size_t>(x) + k];
    }
  }
  for (int64_t y = 0; y < height; ++y) {
    double* to = out.row(y);
    for (size_t k = 0; k < window.size(); ++k) {
      const double* from = rows.row(reflect(y + static_cast<int64_t>(k) - kRadius, height));
      for (int64_t x = 0; x < width; ++x) to[x] += window[k] * from[x];
    }
  }
  return out;
}

struct Similarity {
  Plane whole;     // luminance × contrast × structure
  Plane contrast;  // contrast × structure
};

Similarity similarity(const Plane& a, const Plane& b) {
  const Plane mean_a = blurred(a), mean_b = blurred(b);
  const Plane square_a = blurred(product(a, a)), square_b = blurred(product(b, b)), cross = blurred(product(a, b));
  Similarity out{Plane(a.width, a.height), Plane(a.width, a.height)};
  for (size_t i = 0; i < a.values.size(); ++i) {
    const double ma = mean_a.values[i], mb = mean_b.values[i];
    const double variance_a = std::max(0.0, square_a.values[i] - ma * ma);
    const double variance_b = std::max(0.0, square_b.values[i] - mb * mb);
    const double covariance = cross.values[i] - ma * mb;
    out.contrast.values[i] = (2 * covariance + kC2) / (variance_a + variance_b + kC2);
    out.whole.values[i] = out.contrast.values[i] * (2 * ma * mb + kC1) / (ma * ma + mb * mb + kC1);
  }
  return out;
}

double mean_of(const Plane& plane, int64_t border) {
  double sum = 0;
  for (int64_t y = border; y < plane.height - border; ++y) {
    for (int64_t x = border; x < plane.width - border; ++x) sum += plane.row(y)[x];
  }
  return sum / static_cast<double>((plane.width - 2 * border) * (plane.height - 2 * border));
}

Plane halved(const Plane& plane) {
  Plane out(plane.width / 2, plane.height / 2);
  for (int64_t y = 0; y < out.height; ++y) {
    const double *upper = plane.row(2 * y), *lower = plane.row(2 * y + 1);
    for (int64_t x = 0; x < out.width; ++x) {
      out.row(y)[x] = 0.25 * (upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1]);
    }
  }
  return out;
}

void check_sizes(const Image& a, const Image& b, int64_t least, const char* name) {
  NIBBLE_CHECK(a.width == b.width && a.height == b.height && a.channels == b.channels);
  if (std::min(a.width, a.height) < least) {
    fail(ErrorCode::InvalidArgument, "{}: want pictures of at least {} pixels a side, found {}x{}", name, least,
         a.width, a.height);
  }
}

double mean_similarity(const Image& a, const Image& b, int64_t border) {
  double sum = 0;
  for (int64_t c = 0; c < a.channels; ++c) sum += mean_of(similarity(channel_of(a, c), channel_of(b, c)).whole, border);
  return sum / static_cast<double>(a.channels);
}

// `border` is left out of the last scale's similarity; weights of fewer scales are scaled to the sum 1.
double multi_scale(const Image& reference, const Image& image, int64_t border, size_t scales, const char* name) {
  check_sizes(reference, image, kMinScale << (scales - 1), name);
  std::vector<double> terms(scales);  // means over the channels
  for (int64_t c = 0; c < image.channels; ++c) {
    Plane a = channel_of(reference, c), b = channel_of(image, c);
    for (size_t scale = 0; scale < terms.size(); ++scale) {
      const bool last = scale + 1 == terms.size();
      const Similarity found = similarity(a, b);
      const double term = last ? mean_of(found.whole, border) : mean_of(found.contrast, kRadius);
      terms[scale] += term / static_cast<double>(image.channels);
      if (last) continue;
      a = halved(a);
      b = halved(b);
    }
  }
  const double sum =
      std::accumulate(kScaleWeights.begin(), kScaleWeights.begin() + static_cast<std::ptrdiff_t>(scales), 0.0);
  const double all = scales == kScaleWeights.size() ? 1 : sum;  // the published five add up to 1.0001
  double result = 1;
  for (size_t scale = 0; scale < scales; ++scale)
    result *= std::pow(std::max(0.0, terms[scale]), kScaleWeights[scale] / all);
  return result;
}

}  // namespace

std::array<double, 11> ssim_window() {
  std::array<double, 2 * kRadius + 1> window;
  double sum = 0;
  for (int64_t i = -kRadius; i <= kRadius; ++i) {
    sum += window[static_cast<size_t>(i + kRadius)] = std::exp(-static_cast<double>(i * i) / (2 * kSigma * kSigma));
  }
  for (double& weight : window) weight /= sum;
  return window;
}

double ssim(const Image& reference, const Image& image) {
  check_sizes(reference, image, kRadius + 1, "ssim");
  return mean_similarity(reference, image, 0);
}

double ssim_valid(const Image& reference, const Image& image) {
  check_sizes(reference, image, 2 * kRadius + 1, "ssim_valid");
  return mean_similarity(reference, image, kRadius);
}

double ms_ssim(const Image& reference, const Image& image) {
  return multi_scale(reference, image, 0, kScaleWeights.size(), "ms_ssim");
}
double ms_ssim_4(const Image& reference, const Image& image) {
  return multi_scale(reference, image, 0, 4, "ms_ssim_4");
}
double ms_ssim_valid(const Image& reference, const Image& image) {
  return multi_scale(reference, image, kRadius, kScaleWeights.size(), "ms_ssim_valid");
}

}  // namespace nibble
