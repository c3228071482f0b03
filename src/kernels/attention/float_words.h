// Words that are floats: both sides of attention_impl.h.
#pragma once

namespace nibble::kernels {
namespace {

// Sums of float products continue what stands in `out`.
struct FloatSums {
  static constexpr bool kCoded = false;
  static constexpr bool kWholeRows = false;

  NIBBLE_INLINE Vec exp2(Vec x) { return exp2_flushing(x); }
  NIBBLE_INLINE Vec begin_sum(const float* out, float factor) { return load(out) * set(factor); }
  NIBBLE_INLINE void end_sum(float* out, float, Vec sum) { store(out, sum); }

  // s = s * scale + bias, in log2 units.
  static void scale_row(float* s, int64_t count, float scale, const float* bias) {
    for (int64_t j = 0; j < count; j += kWidth) {
      Vec value = load(s + j) * set(scale);
      if (bias != nullptr)
        value = fma(j + kWidth <= count ? load(bias + j) : load_part(bias + j, count - j), set(kLog2e), value);
      store(s + j, value);
    }
  }
};

// The operands of the float kernels.
template <typename T>
struct FloatWords : FloatSums {
  static constexpr int64_t kPerWord = 1;
  static constexpr bool kScaledQueries = true;

  NIBBLE_INLINE Vec broadcast(const float* word) { return set(*word); }
  NIBBLE_INLINE Vec multiply_add(Vec a, Vec b, Vec sum) { return fma(a, b, sum); }

  // Words [w, w + kWidth) of a token of d elements, zero past the end.
  static Vec load_row(const T* x, int64_t w, int64_t d) {
    return w + kWidth <= d ? load(x + w) : load_part(x + w, d - w);
  }

  // Elements [c, c + kWidth) of the kPerWord tokens of one word, zero past d.
  static Vec load_tokens(const T* const tokens[kPerWord], int64_t c, int64_t d) { return load_row(tokens[0], c, d); }

  // Stores weights j.. of a row and returns them as stored.
  NIBBLE_INLINE Vec store_weights(float* row, int64_t j, Vec weights) {
    store(row + j, weights);
    return weights;
  }
};

}  // namespace
}  // namespace nibble::kernels
