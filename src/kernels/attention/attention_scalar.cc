// The oracle: one row at a time, all its scores in scratch, double precision.
#include <cmath>
#include <limits>

#include "kernels/attention/table.h"

namespace nibble::kernels {
namespace {

template <typename T>
struct Scalar {
  static const T* token(const void* x, int64_t t, int64_t stride, int64_t column) {
    return static_cast<const T*>(x) + t * stride + column;
  }

  // Scores of one row into scores[0, keys), their maximum returned.
  static double row_scores(const AttentionArgs& a, int64_t head, int64_t row, int64_t keys, double* scores) {
    const T* q = token(a.q, row, a.q_stride, head * a.d);
    double largest = -std::numeric_limits<double>::infinity();
    for (int64_t j = 0; j < keys; ++j) {
      const T* k = token(a.k, j, a.k_stride, head / a.heads_per_kv * a.d);
      double dot = 0.0;
      for (int64_t c = 0; c < a.d; ++c) dot += static_cast<double>(to_float(q[c])) * to_float(k[c]);
      scores[j] = dot * a.scale;
      if (a.bias) scores[j] += a.bias[head * a.bias_head_stride + row * a.bias_row_stride + j];
      largest = std::fmax(largest, scores[j]);
    }
    return largest;
  }

  static void run(const AttentionArgs& a, int64_t head, int64_t row_begin, int64_t row_end, void* scratch) {
    double* scores = static_cast<double*>(scratch);
    for (int64_t row = row_begin; row < row_end; ++row) {
      const int64_t visible = a.causal ? row + a.lk - a.lq + 1 : a.lk;
      const int64_t keys = visible < 0 ? 0 : (visible < a.lk ? visible : a.lk);
      const double largest = row_scores(a, head, row, keys, scores);
      double sum = 0.0;
      for (int64_t j = 0; j < keys; ++j) {
        scores[j] = scores[j] == -std::numeric_limits<double>::infinity() ? 0.0 : std::exp(scores[j] - largest);
        sum += scores[j];
      }
      T* out = static_cast<T*>(a.out) + row * a.out_stride + head * a.d;
      for (int64_t c = 0; c < a.d; ++c) {
        double value = 0.0;
        for (int64_t j = 0; j < keys; ++j)
          value += scores[j] * to_float(*token(a.v, j, a.v_stride, head / a.heads_per_kv * a.d + c));
        out[c] = from_float<T>(sum > 0.0 ? static_cast<float>(value / sum) : 0.0f);
      }
    }
  }

  static int64_t row_block(int64_t) { return 1; }
  static size_t scratch_bytes(int64_t lk, int64_t) { return static_cast<size_t>(lk) * sizeof(double); }

  static constexpr AttentionKernel kernel(const char* name, DType dtype) {
    return {name, Isa::Scalar, dtype, AttentionForm::Float, row_block, scratch_bytes, run};
  }
};

}  // namespace

constexpr AttentionKernel attention_f32_scalar = Scalar<float>::kernel("attention_f32_scalar", DType::F32);
constexpr AttentionKernel attention_bf16_scalar = Scalar<BFloat16>::kernel("attention_bf16_scalar", DType::BF16);

}  // namespace nibble::kernels
