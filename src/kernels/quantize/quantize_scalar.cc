// The formulas of quantize.h in plain loops: the oracle.
#include <cmath>

#include "kernels/quantize/table.h"

namespace nibble::kernels {
namespace {

template <typename T>
struct Scalar {
  static float smoothed(const T* x, int64_t i, const float* input_scale) {
    return input_scale ? to_float(x[i]) * input_scale[i] : to_float(x[i]);
  }

  // NaN counts as smaller than everything.
  static float row_maximum(const T* x, int64_t k, const float* input_scale) {
    float most = 0.0f;
    for (int64_t i = 0; i < k; ++i) {
      const float v = std::fabs(smoothed(x, i, input_scale));
      if (v > most) most = v;
    }
    return most;
  }

  static float clamp(float v, float low, float high) {
    v = v > low ? v : low;
    return v < high ? v : high;
  }

  static float absmax(const void* data, int64_t rows, int64_t k, const float* input_scale) {
    const T* x = static_cast<const T*>(data);
    float most = 0.0f;
    for (int64_t r = 0; r < rows; ++r) {
      const float v = row_maximum(x + r * k, k, input_scale);
      if (v > most) most = v;
    }
    return most;
  }

  static void channel_extremes(const void* data, int64_t rows, int64_t k, void* lowest, void* highest) {
    const T* x = static_cast<const T*>(data);
    T *low = static_cast<T*>(lowest), *high = static_cast<T*>(highest);
    for (int64_t r = 0; r < rows; ++r, x += k)
      for (int64_t i = 0; i < k; ++i) {
        if (to_float(x[i]) < to_float(low[i])) low[i] = x[i];
        if (to_float(x[i]) > to_float(high[i])) high[i] = x[i];
      }
  }

  static void int8_row(const T* x, int64_t k, int64_t padded_k, const float* input_scale, float scale, int8_t* codes,
                       int32_t* sum) {
    const float reciprocal = scale > 0.0f ? 1.0f / scale : 0.0f;
    *sum = 0;
    for (int64_t i = 0; i < k; ++i) {
      codes[i] = static_cast<int8_t>(clamp(std::nearbyint(smoothed(x, i, input_scale) * reciprocal), -127.0f, 127.0f));
      *sum += codes[i];
    }
    for (int64_t i = k; i < padded_k; ++i) codes[i] = 0;
  }

  static void int8_rows(const void* data, int64_t rows, int64_t k, int64_t padded_k, const float* input_scale, int8_t* codes,
                        float* scales, int32_t* sums) {
    for (int64_t r = 0; r < rows; ++r) {
      const T* x = static_cast<const T*>(data) + r * k;
      scales[r] = row_maximum(x, k, input_scale) / 127.0f;
      int8_row(x, k, padded_k, input_scale, scales[r], codes + r * padded_k, sums + r);
    }
  }

  static void int8_scaled(const void* data, int64_t rows, int64_t k, int64_t padded_k, const float* input_scale, float scale,
                          int8_t* codes, int32_t* sums) {
    for (int64_t r = 0; r < rows; ++r)
      int8_row(static_cast<const T*>(data) + r * k, k, padded_k, input_scale, scale, codes + r * padded_k, sums + r);
  }

  static void int4_group(const T* x, int64_t k, const float* input_scale, float shift, int8_t* codes, float* scale) {
    float values[64], most = 0.0f;
    for (int64_t i = 0; i < k; ++i) {
      float v = to_float(x[i]);
      if (shift > 0.0f) v = v + shift;
      if (input_scale) v = v * input_scale[i];
      if (shift > 0.0f) v = v > 0.0f ? v : 0.0f;
      values[i] = v;
      if (std::fabs(v) > most) most = std::fabs(v);
    }
    *scale = most / (shift > 0.0f ? 15.0f : 7.0f);
    const float reciprocal = *scale > 0.0f ? 1.0f / *scale : 0.0f;
    for (int64_t i = 0; i < k; ++i)
      codes[i] = static_cast<int8_t>(clamp(std::nearbyint(values[i] * reciprocal), shift > 0.0f ? 0.0f : -7.0f, shift > 0.0f ? 15.0f : 7.0f));
  }

  static void int4_groups(const void* data, int64_t rows, int64_t k, int64_t padded_k, const float* input_scale, float shift,
                          int8_t* codes, float* scales, int32_t* sums) {
    const T* x = static_cast<const T*>(data);
    for (int64_t r = 0; r < rows; ++r, x += k, codes += padded_k, sums += padded_k / 32) {
      for (int64_t i = 0; i < padded_k; i += 64) {
        const int64_t n = k - i < 64 ? (k > i ? k - i : 0) : 64;
        int4_group(x + i, n, input_scale ? input_scale + i : nullptr, shift, codes + i, scales++);
      }
      for (int64_t i = k; i < padded_k; ++i) codes[i] = 0;
      for (int64_t i = 0; i < padded_k / 32; ++i) sums[i] = 0;
      for (int64_t i = 0; i < k; ++i) sums[i / 32] += codes[i];
    }
  }

  static constexpr QuantizeKernel kernel(const char* name, DType dtype) {
    return {name, Isa::Scalar, dtype, absmax, channel_extremes, int8_rows, int8_scaled, int4_groups};
  }
};

}  // namespace

constexpr QuantizeKernel quantize_f32_scalar = Scalar<float>::kernel("quantize_f32_scalar", DType::F32);
constexpr QuantizeKernel quantize_bf16_scalar = Scalar<BFloat16>::kernel("quantize_bf16_scalar", DType::BF16);

}  // namespace nibble::kernels
