#include "image/exact_resize.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "image/resize.h"

namespace nibble {
namespace {

constexpr int64_t kMaxSize = 1 << 20;

// For each output sample of one axis: the first input sample it reads and its weights.
struct Taps {
  std::vector<int64_t> positions;  // [out, count]
  std::vector<float> weights;      // [out, count]
  int64_t count;
};

Taps empty_taps(int64_t out, int64_t count) {
  return {std::vector<int64_t>(static_cast<size_t>(out * count)), std::vector<float>(static_cast<size_t>(out * count)),
          count};
}

// Keys' cubic at distance 0…1 and 1…2. Fused as in torch's builds for processors with FMA: its positions and weights
// differ from unfused ones by some 1e-6, which 8-bit pictures show in the fourth decimal.
float cubic_near(float x, float a) { return std::fma(std::fma(a + 2, x, -(a + 3)) * x, x, 1.0f); }
float cubic_far(float x, float a) { return std::fma(std::fma(std::fma(a, x, -5 * a), x, 8 * a), x, -4 * a); }

float half_pixel_position(float scale, int64_t i) { return std::fma(scale, static_cast<float>(i) + 0.5f, -0.5f); }

Taps linear_taps(int64_t in, int64_t out, bool half_pixel) {
  Taps taps = empty_taps(out, 2);
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  for (int64_t i = 0; i < out; ++i) {
    const float x = half_pixel ? std::max(half_pixel_position(scale, i), 0.0f) : scale * static_cast<float>(i);
    const int64_t low = std::min(static_cast<int64_t>(x), in - 1);
    const float high_weight = std::clamp(x - static_cast<float>(low), 0.0f, 1.0f);
    const size_t k = static_cast<size_t>(2 * i);
    taps.positions[k] = low;
    taps.positions[k + 1] = std::min(low + 1, in - 1);
    taps.weights[k] = 1 - high_weight;
    taps.weights[k + 1] = high_weight;
  }
  return taps;
}

Taps cubic_taps(int64_t in, int64_t out) {
  constexpr float a = -0.75f;
  Taps taps = empty_taps(out, 4);
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  for (int64_t i = 0; i < out; ++i) {
    const float x = half_pixel_position(scale, i);
    const int64_t low = static_cast<int64_t>(std::floor(x));
    const float t = std::clamp(x - static_cast<float>(low), 0.0f, 1.0f);
    const float weights[4] = {cubic_far(t + 1, a), cubic_near(t, a), cubic_near(1 - t, a), cubic_far(2 - t, a)};
    for (int64_t k = 0; k < 4; ++k) {
      taps.positions[static_cast<size_t>(4 * i + k)] = std::clamp<int64_t>(low - 1 + k, 0, in - 1);
      taps.weights[static_cast<size_t>(4 * i + k)] = weights[k];
    }
  }
  return taps;
}

float window(float x, bool cubic) {
  x = std::abs(x);
  if (!cubic) return x < 1 ? 1 - x : 0;
  constexpr float a = -0.5f;
  if (x < 1) return cubic_near(x, a);
  return x < 2 ? cubic_far(x, a) : 0;
}

Taps antialias_taps(int64_t in, int64_t out, bool cubic) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  const float half_width = cubic ? 2 : 1;
  const float support = scale >= 1 ? half_width * scale : half_width;
  const float inverse = scale >= 1 ? 1 / scale : 1;
  const int64_t count = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  Taps taps = empty_taps(out, count);
  for (int64_t i = 0; i < out; ++i) {
    const float center = scale * (static_cast<float>(i) + 0.5f);
    const int64_t begin = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5f), 0);
    const int64_t end = std::min(static_cast<int64_t>(center + support + 0.5f), in);
    const int64_t used = std::clamp<int64_t>(end - begin, 0, count);
    float* weights = taps.weights.data() + i * count;
    float sum = 0;
    for (int64_t k = 0; k < used; ++k) {
      weights[k] = window((static_cast<float>(k + begin) - center + 0.5f) * inverse, cubic);
      sum += weights[k];
    }
    for (int64_t k = 0; k < count; ++k) {
      if (sum != 0) weights[k] /= sum;
      taps.positions[static_cast<size_t>(i * count + k)] = std::min(begin + k, in - 1);
    }
  }
  return taps;
}

Taps make_taps(int64_t in, int64_t out, Interpolation kind) {
  switch (kind) {
    case Interpolation::Bilinear:
      return linear_taps(in, out, true);
    case Interpolation::Bicubic:
      return cubic_taps(in, out);
    case Interpolation::TensorFlow1:
      return linear_taps(in, out, false);
    default:
      return antialias_taps(in, out, kind == Interpolation::BicubicAntialias);
  }
}

FloatImage along_width(const FloatImage& image, int64_t width, const Taps& taps) {
  FloatImage out(width, image.height, image.channels);
  const int64_t channels = image.channels;
  for (int64_t y = 0; y < image.height; ++y) {
    const float* from = image.row(y);
    float* to = out.row(y);
    for (int64_t x = 0; x < width; ++x, to += channels) {
      for (int64_t k = x * taps.count; k < (x + 1) * taps.count; ++k) {
        const float weight = taps.weights[static_cast<size_t>(k)];
        const float* sample = from + taps.positions[static_cast<size_t>(k)] * channels;
        for (int64_t c = 0; c < channels; ++c) to[c] += sample[c] * weight;
      }
    }
  }
  return out;
}

FloatImage along_height(const FloatImage& image, int64_t height, const Taps& taps) {
  FloatImage out(image.width, height, image.channels);
  const int64_t length = image.width * image.channels;
  for (int64_t y = 0; y < height; ++y) {
    float* to = out.row(y);
    for (int64_t k = y * taps.count; k < (y + 1) * taps.count; ++k) {
      const float weight = taps.weights[static_cast<size_t>(k)];
      const float* from = image.row(taps.positions[static_cast<size_t>(k)]);
      for (int64_t x = 0; x < length; ++x) to[x] += from[x] * weight;
    }
  }
  return out;
}

int64_t margin(int64_t from, int64_t to, CropRule rule) {
  const int64_t rest = from - to, half = rest / 2;
  const bool rounds_up = rule == CropRule::Torchvision && rest % 2 == 1 && half % 2 == 1;
  return half + (rounds_up ? 1 : 0);
}

}  // namespace

FloatImage to_float(const Image& image) {
  FloatImage out(image.width, image.height, image.channels);
  std::transform(image.pixels.begin(), image.pixels.end(), out.pixels.begin(),
                 [](uint8_t p) { return static_cast<float>(p); });
  return out;
}

FloatImage interpolate(const FloatImage& image, int64_t width, int64_t height, Interpolation kind) {
  if (image.width < 1 || image.height < 1) fail(ErrorCode::InvalidArgument, "image to resize: it is empty");
  if (width < 1 || height < 1 || width > kMaxSize || height > kMaxSize) {
    fail(ErrorCode::InvalidArgument, "size of an image: want 1 to {}, found {}x{}", kMaxSize, width, height);
  }
  if (width == image.width && height == image.height) return image;
  return along_height(along_width(image, width, make_taps(image.width, width, kind)), height,
                      make_taps(image.height, height, kind));
}

FloatImage fid_picture(const Image& image, FidResize pipeline, int64_t size) {
  const FloatImage rgb = to_float(to_rgb(image));
  switch (pipeline) {
    case FidResize::PytorchFid:
      return interpolate(rgb, size, size, Interpolation::Bilinear);
    case FidResize::TorchFidelity:
      return interpolate(rgb, size, size, Interpolation::TensorFlow1);
    case FidResize::TorchMetrics:
      return interpolate(rgb, size, size, Interpolation::BilinearAntialias);
    case FidResize::CleanFid:
      break;
  }
  FloatImage out = resize(rgb, size, size, ResizeFilter::Bicubic);
  for (float& value : out.pixels) value = std::clamp(value, 0.0f, 255.0f);
  return out;
}

Image center_crop(const Image& image, int64_t width, int64_t height, CropRule rule) {
  if (width < 1 || height < 1 || image.width < width || image.height < height) {
    fail(ErrorCode::InvalidArgument, "centre crop of {}x{}: want an image at least as large, found {}x{}", width,
         height, image.width, image.height);
  }
  return crop(image, margin(image.width, width, rule), margin(image.height, height, rule), width, height);
}

Image resize_shorter_side(const Image& image, int64_t size) {
  if (image.width < 1 || image.height < 1) fail(ErrorCode::InvalidArgument, "image to resize: it is empty");
  const int64_t shorter = std::min(image.width, image.height), longer = std::max(image.width, image.height);
  // In double, as Python's int(size * long / short).
  const double exact = static_cast<double>(size * longer) / static_cast<double>(shorter);
  const int64_t other = static_cast<int64_t>(exact);
  return image.width <= image.height ? resize(image, size, other, ResizeFilter::Bicubic)
                                     : resize(image, other, size, ResizeFilter::Bicubic);
}

Image clip_picture(const Image& image, CropRule rule, int64_t size) {
  const bool rgb_first = rule == CropRule::HuggingFace;
  return to_rgb(center_crop(resize_shorter_side(rgb_first ? to_rgb(image) : image, size), size, size, rule));
}

FloatImage normalized(const Image& image, const ChannelNorm& norm) {
  NIBBLE_CHECK(image.channels == 3, "{} channels", image.channels);
  FloatImage out = to_float(image);
  for (size_t i = 0; i < out.pixels.size(); ++i) {
    out.pixels[i] = (out.pixels[i] / 255.0f - norm.mean[i % 3]) / norm.deviation[i % 3];
  }
  return out;
}

}  // namespace nibble
