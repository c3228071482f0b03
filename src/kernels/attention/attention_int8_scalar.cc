// The oracle of the forms with bytes: codes and dots as integers, the rest one row at a time in double precision.
#include <cmath>
#include <cstdlib>
#include <limits>

#include "kernels/attention/table.h"

namespace nibble::kernels {
namespace {

constexpr float kLog2e = 1.44269504f;
constexpr float kSmallestScale = 1e-30f;

struct Codes {
  int8_t* codes;  // [tokens, d]
  float* scales;  // [tokens], or [d] of values
};

float scale_of(float most) { return most / 127.0f; }

int8_t code_of(float x, float scale) {
  const float factor = scale < kSmallestScale ? 0.0f : 1.0f / scale;
  return static_cast<int8_t>(std::nearbyint(x * factor));
}

template <typename T, AttentionForm form>
struct ScalarInt8 {
  static const T* token(const void* x, int64_t t, int64_t stride, int64_t column) {
    return static_cast<const T*>(x) + t * stride + column;
  }

  static void code_token(const T* x, const float* mean, int64_t d, int8_t* codes, float* scale) {
    float most = 0.0f;
    for (int64_t c = 0; c < d; ++c) most = std::fmax(most, std::fabs(to_float(x[c]) - mean[c]));
    *scale = scale_of(most);
    for (int64_t c = 0; c < d; ++c) codes[c] = code_of(to_float(x[c]) - mean[c], *scale);
  }

  static void code_keys(const AttentionArgs& a, int64_t column, Codes keys) {
    float mean[kMaxHeadDim] = {};
    for (int64_t t = 0; t < a.lk; ++t)
      for (int64_t c = 0; c < a.d; ++c) mean[c] += to_float(*token(a.k, t, a.k_stride, column + c));
    for (int64_t c = 0; c < a.d; ++c) mean[c] /= static_cast<float>(a.lk);
    for (int64_t t = 0; t < a.lk; ++t)
      code_token(token(a.k, t, a.k_stride, column), mean, a.d, keys.codes + t * a.d, keys.scales + t);
  }

  static void code_values(const AttentionArgs& a, int64_t column, Codes values) {
    for (int64_t c = 0; c < a.d; ++c) {
      float most = 0.0f;
      for (int64_t t = 0; t < a.lk; ++t)
        most = std::fmax(most, std::fabs(to_float(*token(a.v, t, a.v_stride, column + c))));
      values.scales[c] = scale_of(most);
      for (int64_t t = 0; t < a.lk; ++t)
        values.codes[t * a.d + c] = code_of(to_float(*token(a.v, t, a.v_stride, column + c)), values.scales[c]);
    }
  }

  // Dots of one row with all keys; returns the row's factor to log2 units.
  static float row_dots(const AttentionArgs& a, int64_t head, int64_t row, Codes keys, int32_t* dots) {
    const float none[kMaxHeadDim] = {};
    int8_t q[kMaxHeadDim];
    float scale = 0.0f;
    code_token(token(a.q, row, a.q_stride, head * a.d), none, a.d, q, &scale);
    for (int64_t j = 0; j < a.lk; ++j) {
      dots[j] = 0;
      for (int64_t c = 0; c < a.d; ++c) dots[j] += q[c] * keys.codes[j * a.d + c];
    }
    return scale * (a.scale * kLog2e);
  }

  // Weights of one row, at most 1, before they are divided by their sum; zero where masked.
  static void row_weights(const AttentionArgs& a, int64_t head, int64_t row, const float* key_scales, float factor,
                          const int32_t* dots, double* weights) {
    double largest = -std::numeric_limits<double>::infinity();
    for (int64_t j = 0; j < a.lk; ++j) {
      weights[j] = static_cast<double>(dots[j]) * factor * key_scales[j];
      if (a.bias)
        weights[j] += a.bias[head * a.bias_head_stride + row * a.bias_row_stride + j] * std::log2(std::exp(1.0));
      if (a.causal && j > row + a.lk - a.lq) weights[j] = -std::numeric_limits<double>::infinity();
      largest = std::fmax(largest, weights[j]);
    }
    for (int64_t j = 0; j < a.lk; ++j) weights[j] = std::isinf(weights[j]) ? 0.0 : std::exp2(weights[j] - largest);
    if constexpr (form == AttentionForm::Int8)
      for (int64_t j = 0; j < a.lk; ++j) weights[j] = std::nearbyint(weights[j] * 255.0);
  }

  static double value(const AttentionArgs& a, int64_t column, Codes values, int64_t j, int64_t c) {
    if constexpr (form == AttentionForm::Int8) return static_cast<double>(values.codes[j * a.d + c]) * values.scales[c];
    return to_float(*token(a.v, j, a.v_stride, column + c));
  }

  // Scratch: weights [lk], key scales [lk], value scales [kMaxHeadDim], dots [lk], key codes, value codes [lk, d].
  struct Space {
    double* weights;
    int32_t* dots;
    Codes keys, values;

    Space(void* scratch, int64_t lk, int64_t d) {
      weights = static_cast<double*>(scratch);
      keys.scales = reinterpret_cast<float*>(weights + lk);
      values.scales = keys.scales + lk;
      dots = reinterpret_cast<int32_t*>(values.scales + kMaxHeadDim);
      keys.codes = reinterpret_cast<int8_t*>(dots + lk);
      values.codes = keys.codes + lk * d;
    }
  };

  static size_t scratch_bytes(int64_t lk, int64_t d) {
    return static_cast<size_t>(lk) * (sizeof(double) + 2 * sizeof(float)) + kMaxHeadDim * sizeof(float) +
           static_cast<size_t>(2 * lk * d);
  }

  static void run(const AttentionArgs& a, int64_t head, int64_t row_begin, int64_t row_end, void* scratch) {
    const Space s(scratch, a.lk, a.d);
    const int64_t column = head / a.heads_per_kv * a.d;
    code_keys(a, column, s.keys);
    code_values(a, column, s.values);
    for (int64_t row = row_begin; row < row_end; ++row) {
      const float factor = row_dots(a, head, row, s.keys, s.dots);
      row_weights(a, head, row, s.keys.scales, factor, s.dots, s.weights);
      double sum = 0.0;
      for (int64_t j = 0; j < a.lk; ++j) sum += s.weights[j];
      T* out = static_cast<T*>(a.out) + row * a.out_stride + head * a.d;
      for (int64_t c = 0; c < a.d; ++c) {
        double total = 0.0;
        for (int64_t j = 0; j < a.lk; ++j) total += s.weights[j] * value(a, column, s.values, j, c);
        out[c] = from_float<T>(sum > 0.0 ? static_cast<float>(total / sum) : 0.0f);
      }
    }
  }

  static void int8_scores(const AttentionArgs& a, int64_t head, int64_t row_begin, int64_t row_end, int32_t* dots,
                          float* row_factors, float* key_scales, void* scratch) {
    const Space s(scratch, a.lk, a.d);
    code_keys(a, head / a.heads_per_kv * a.d, s.keys);
    for (int64_t j = 0; j < a.lk; ++j) key_scales[j] = s.keys.scales[j];
    for (int64_t row = row_begin; row < row_end; ++row)
      row_factors[row - row_begin] = row_dots(a, head, row, s.keys, dots + (row - row_begin) * a.lk);
  }

  static int64_t row_block(int64_t) { return 1; }

  static constexpr AttentionKernel kernel(const char* name, DType dtype) {
    return {name, Isa::Scalar, dtype, form, row_block, scratch_bytes, run, int8_scores};
  }
};

constexpr AttentionForm kScores = AttentionForm::Int8Scores, kAll = AttentionForm::Int8;

}  // namespace

constexpr AttentionKernel attention_int8_f32_scalar =
    ScalarInt8<float, kScores>::kernel("attention_int8_f32_scalar", DType::F32);
constexpr AttentionKernel attention_int8_bf16_scalar =
    ScalarInt8<BFloat16, kScores>::kernel("attention_int8_bf16_scalar", DType::BF16);
constexpr AttentionKernel attention_int8_values_f32_scalar =
    ScalarInt8<float, kAll>::kernel("attention_int8_values_f32_scalar", DType::F32);
constexpr AttentionKernel attention_int8_values_bf16_scalar =
    ScalarInt8<BFloat16, kAll>::kernel("attention_int8_values_bf16_scalar", DType::BF16);

}  // namespace nibble::kernels
