#include "image/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace nibble {
namespace {

constexpr int kPrecisionBits = 22;
constexpr int64_t kMaxSize = 1 << 20;

double box(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }

double triangle(double x) { return std::max(0.0, 1 - std::abs(x)); }

// Keys' cubic with a = -0.5, in the order of operations that Pillow uses.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

double sinc(double x) {
  if (x == 0) return 1;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

struct Filter {
  double (*value)(double);
  double support;
};

Filter filter_of(ResizeFilter filter) {
  switch (filter) {
    case ResizeFilter::Box: return {box, 0.5};
    case ResizeFilter::Bilinear: return {triangle, 1};
    case ResizeFilter::Bicubic: return {cubic, 2};
    default: return {lanczos, 3};
  }
}

// For each output sample of one axis: the input samples it reads and their weights.
struct Taps {
  struct Range {
    int64_t begin;
    int64_t count;
  };
  std::vector<Range> ranges;    // [out]
  std::vector<double> weights;  // [out, stride]
  int64_t stride;

  const double* weights_of(int64_t i) const { return weights.data() + i * stride; }
};

Taps make_taps(int64_t in, int64_t out, const Filter& filter) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);
  const double support = filter.support * stretch;
  Taps taps;
  taps.stride = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  taps.weights.resize(static_cast<size_t>(out * taps.stride));
  for (int64_t i = 0; i < out; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const int64_t begin = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    const int64_t end = std::min(in, static_cast<int64_t>(center + support + 0.5));
    double* weights = taps.weights.data() + i * taps.stride;
    double sum = 0;
    for (int64_t k = 0; k < end - begin; ++k) {
      weights[k] = filter.value((static_cast<double>(k + begin) - center + 0.5) * (1.0 / stretch));
      sum += weights[k];
    }
    for (int64_t k = 0; k < end - begin; ++k) {
      if (sum != 0) weights[k] /= sum;
    }
    taps.ranges.push_back({begin, end - begin});
  }
  return taps;
}

std::vector<int32_t> fixed_point(const std::vector<double>& weights) {
  std::vector<int32_t> out;
  out.reserve(weights.size());
  for (const double weight : weights) {
    out.push_back(static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits)));
  }
  return out;
}

uint8_t clip8(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255)); }

// One pass over lines: `in` and `out` step from sample to sample of a line by `step` elements.
void resample_line(const uint8_t* in, uint8_t* out, int64_t step, const Taps& taps, const std::vector<int32_t>& fixed) {
  const int32_t* weights = fixed.data();
  for (const Taps::Range& range : taps.ranges) {
    int32_t sum = 1 << (kPrecisionBits - 1);
    const uint8_t* from = in + range.begin * step;
    for (int64_t k = 0; k < range.count; ++k) sum += from[k * step] * weights[k];
    *out = clip8(sum);
    out += step;
    weights += taps.stride;
  }
}

void resample_line(const float* in, float* out, int64_t step, const Taps& taps, const std::vector<int32_t>&) {
  const double* weights = taps.weights.data();
  for (const Taps::Range& range : taps.ranges) {
    double sum = 0;
    const float* from = in + range.begin * step;
    for (int64_t k = 0; k < range.count; ++k) sum += static_cast<double>(from[k * step]) * weights[k];
    *out = static_cast<float>(sum);
    out += step;
    weights += taps.stride;
  }
}

// Whole rows at once, so that memory is read in order: out[y] = sum over taps of in[begin + k].
void resample_rows(const BasicImage<uint8_t>& in, BasicImage<uint8_t>& out, const Taps& taps,
                   const std::vector<int32_t>& fixed) {
  const int64_t length = in.width * in.channels;
  std::vector<int32_t> sums(static_cast<size_t>(length));
  for (int64_t y = 0; y < out.height; ++y) {
    std::fill(sums.begin(), sums.end(), 1 << (kPrecisionBits - 1));
    const Taps::Range range = taps.ranges[static_cast<size_t>(y)];
    for (int64_t k = 0; k < range.count; ++k) {
      const int32_t weight = fixed[static_cast<size_t>(y * taps.stride + k)];
      const uint8_t* from = in.row(range.begin + k);
      for (int64_t x = 0; x < length; ++x) sums[static_cast<size_t>(x)] += from[x] * weight;
    }
    std::transform(sums.begin(), sums.end(), out.row(y), clip8);
  }
}

void resample_rows(const BasicImage<float>& in, BasicImage<float>& out, const Taps& taps, const std::vector<int32_t>&) {
  const int64_t length = in.width * in.channels;
  std::vector<double> sums(static_cast<size_t>(length));
  for (int64_t y = 0; y < out.height; ++y) {
    std::fill(sums.begin(), sums.end(), 0.0);
    const Taps::Range range = taps.ranges[static_cast<size_t>(y)];
    for (int64_t k = 0; k < range.count; ++k) {
      const double weight = taps.weights_of(y)[k];
      const float* from = in.row(range.begin + k);
      for (int64_t x = 0; x < length; ++x) sums[static_cast<size_t>(x)] += static_cast<double>(from[x]) * weight;
    }
    std::transform(sums.begin(), sums.end(), out.row(y), [](double sum) { return static_cast<float>(sum); });
  }
}

template <typename T>
BasicImage<T> resample(BasicImage<T> image, int64_t width, int64_t height, const Filter& filter) {
  if (width != image.width) {
    const Taps taps = make_taps(image.width, width, filter);
    const std::vector<int32_t> fixed = fixed_point(taps.weights);
    BasicImage<T> out(width, image.height, image.channels);
    for (int64_t y = 0; y < image.height; ++y) {
      for (int64_t c = 0; c < image.channels; ++c) {
        resample_line(image.row(y) + c, out.row(y) + c, image.channels, taps, fixed);
      }
    }
    image = std::move(out);
  }
  if (height != image.height) {
    const Taps taps = make_taps(image.height, height, filter);
    const std::vector<int32_t> fixed = fixed_point(taps.weights);
    BasicImage<T> out(width, height, image.channels);
    resample_rows(image, out, taps, fixed);
    image = std::move(out);
  }
  return image;
}

// The source position advances by repeated addition, as Pillow's affine transform does.
std::vector<int64_t> nearest_positions(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  std::vector<int64_t> positions;
  double at = scale * 0.5;
  for (int64_t i = 0; i < out; ++i, at += scale) positions.push_back(std::min(in - 1, static_cast<int64_t>(at)));
  return positions;
}

template <typename T>
BasicImage<T> nearest(const BasicImage<T>& image, int64_t width, int64_t height) {
  BasicImage<T> out(width, height, image.channels);
  const std::vector<int64_t> xs = nearest_positions(image.width, width), ys = nearest_positions(image.height, height);
  for (int64_t y = 0; y < height; ++y) {
    T* to = out.row(y);
    for (const int64_t x : xs) {
      to = std::copy_n(image.row(ys[static_cast<size_t>(y)]) + x * image.channels, image.channels, to);
    }
  }
  return out;
}

// a * b / 255, rounded
uint8_t multiply_255(int a, int b) {
  const int product = a * b + 128;
  return static_cast<uint8_t>(((product >> 8) + product) >> 8);
}

Image premultiplied(Image image) {
  for (size_t i = 0; i < image.pixels.size(); i += 4) {
    for (size_t c = 0; c < 3; ++c) image.pixels[i + c] = multiply_255(image.pixels[i + c], image.pixels[i + 3]);
  }
  return image;
}

Image unpremultiplied(Image image) {
  for (size_t i = 0; i < image.pixels.size(); i += 4) {
    const int alpha = image.pixels[i + 3];
    if (alpha == 0 || alpha == 255) continue;
    for (size_t c = 0; c < 3; ++c) {
      image.pixels[i + c] = static_cast<uint8_t>(std::min(255, 255 * image.pixels[i + c] / alpha));
    }
  }
  return image;
}

template <typename T>
void check_sizes(const BasicImage<T>& image, int64_t width, int64_t height) {
  if (image.width < 1 || image.height < 1) fail(ErrorCode::InvalidArgument, "image to resize: it is empty");
  if (width < 1 || height < 1 || width > kMaxSize || height > kMaxSize) {
    fail(ErrorCode::InvalidArgument, "size of an image: want 1 to {}, found {}x{}", kMaxSize, width, height);
  }
}

}  // namespace

std::optional<ResizeFilter> resize_filter_from_name(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, ResizeFilter>, 5> kNames = {{{"nearest", ResizeFilter::Nearest},
                                                                               {"box", ResizeFilter::Box},
                                                                               {"bilinear", ResizeFilter::Bilinear},
                                                                               {"bicubic", ResizeFilter::Bicubic},
                                                                               {"lanczos", ResizeFilter::Lanczos}}};
  for (const auto& [known, filter] : kNames) {
    if (name == known) return filter;
  }
  return std::nullopt;
}

Image resize(const Image& image, int64_t width, int64_t height, ResizeFilter filter) {
  check_sizes(image, width, height);
  if (width == image.width && height == image.height) return image;
  if (filter == ResizeFilter::Nearest) return nearest(image, width, height);
  if (image.channels != 4) return resample(image, width, height, filter_of(filter));
  return unpremultiplied(resample(premultiplied(image), width, height, filter_of(filter)));
}

FloatImage resize(const FloatImage& image, int64_t width, int64_t height, ResizeFilter filter) {
  check_sizes(image, width, height);
  if (width == image.width && height == image.height) return image;
  return filter == ResizeFilter::Nearest ? nearest(image, width, height)
                                         : resample(image, width, height, filter_of(filter));
}

}  // namespace nibble
