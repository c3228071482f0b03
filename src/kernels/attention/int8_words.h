// Words that are codes, over a Dot of the including attention_int8_<isa>.cc:
//   kPerWord, kTop, kUnsignedKeys             codes of a word; the weight 1; whether key words hold code + 128
//   combine(codes)                            a word a lane from kPerWord vectors of whole numbers in [-127, 127]
//   key_word(word)                            the same as query_key wants it of keys
//   query_key, weight_value(x, y, sums)       sums + the integer dots of words
//   exp2(x)                                   of weights, within 1e-4
//   put_weights(row, j, codes)                whole numbers in [0, kTop] as weights j.. of a row of words
//   to_float(sums)
#pragma once

#include "kernels/attention/attention_impl.h"

namespace nibble::kernels {
namespace {

constexpr float kLargestCode = 127.0f;
constexpr float kSmallestScale = 1e-30f;  // below it all codes are 0, so that its reciprocal stays finite

NIBBLE_INLINE Vec reciprocal_scale(Vec scale) {
  return select_less(scale, set(kSmallestScale), set(0.0f), set(1.0f) / scale);
}

// statistics[c] = join(statistics[c], x[t][c]) over all tokens in order, from 0; zero past d.
template <typename T, typename Join>
NIBBLE_INLINE void join_tokens(const T* x, int64_t tokens, int64_t stride, int64_t d, float* statistics, Join join) {
  for (int64_t c = 0; c < d; c += kWidth) store(statistics + c, set(0.0f));
  for (int64_t t = 0; t < tokens; ++t, x += stride)
    for (int64_t c = 0; c < d; c += kWidth)
      store(statistics + c, join(load(statistics + c), FloatWords<T>::load_row(x, c, d)));
}

template <typename T, typename Dot>
struct CodeScores {
  static constexpr int64_t kPerWord = Dot::kPerWord;
  static constexpr bool kCoded = true;
  static constexpr bool kScaledQueries = true;  // by scale_row

  NIBBLE_INLINE Vec broadcast(const float* word) { return set(*word); }
  NIBBLE_INLINE Vec multiply_add(Vec query, Vec keys, Vec sums) { return Dot::query_key(query, keys, sums); }

  // The keys' mean over all tokens.
  static void prepare(const AttentionArgs& a, int64_t column, float* mean) {
    const T* keys = static_cast<const T*>(a.k) + column;
    join_tokens(keys, a.lk, a.k_stride, a.d, mean, [](Vec sum, Vec x) { return sum + x; });
    for (int64_t c = 0; c < a.d; c += kWidth) store(mean + c, load(mean + c) / set(static_cast<float>(a.lk)));
  }

  // `count` tokens as lanes of columns [words · kPerWord][kWidth], less `mean` where there is one; each lane's largest
  // |x|.
  static Vec gather(const T* x, int64_t stride, int64_t count, int64_t d, const float* mean, float* columns) {
    Vec most = set(0.0f);
    for (int64_t c = 0; c < d; c += kWidth) {
      Vec block[kWidth];
      for (int64_t i = 0; i < kWidth; ++i)
        block[i] = i < count ? FloatWords<T>::load_row(x + i * stride, c, d) : set(0.0f);
      transpose(block);
      for (int64_t i = 0; i < min_of(kWidth, d - c); ++i) {
        const Vec value = mean == nullptr ? block[i] : block[i] - set(mean[c + i]);
        most = max(abs(value), most);
        store(columns + (c + i) * kWidth, value);
      }
    }
    for (int64_t c = d; c < round_up(d, kPerWord); ++c) store(columns + c * kWidth, set(0.0f));
    return most;
  }

  // Columns -> words `stride` floats apart (may be in place); returns the sum of each lane's codes.
  template <bool keys>
  static Vec code(const float* columns, Vec scales, int64_t d, float* words, int64_t stride) {
    const Vec factor = reciprocal_scale(scales);
    Vec total = set(0.0f);
    for (int64_t c = 0; c < d; c += kPerWord, columns += kPerWord * kWidth, words += stride) {
      Vec codes[kPerWord];
      for (int64_t i = 0; i < kPerWord; ++i) {
        codes[i] = round(load(columns + i * kWidth) * factor);
        total = total + codes[i];
      }
      const Vec word = Dot::combine(codes);
      store(words, keys ? Dot::key_word(word) : word);
    }
    return total;
  }

  static void pack_queries(const AttentionArgs& a, const Layout& at, int64_t head, int64_t begin, int64_t rows,
                           float* scratch) {
    const int64_t words = round_up(a.d, kPerWord) / kPerWord;
    float* columns = scratch + at.columns;
    for (int64_t r = 0; r < rows; r += kWidth) {
      const int64_t count = min_of(kWidth, rows - r);
      const T* x = static_cast<const T*>(a.q) + (begin + r) * a.q_stride + head * a.d;
      const Vec scales = gather(x, a.q_stride, count, a.d, nullptr, columns) / set(kLargestCode);
      const Vec total = code<false>(columns, scales, a.d, columns, kWidth);
      store_part(scratch + at.row_factors + r, scales * set(a.scale * kLog2e), count);
      if constexpr (Dot::kUnsignedKeys) store_part(scratch + at.row_starts + r, total * set(-128.0f), count);
      for (int64_t i = 0; i < count; ++i)
        for (int64_t w = 0; w < words; ++w) scratch[at.q + (r + i) * words + w] = columns[w * kWidth + i];
    }
  }

  // Keys j .. j + kWidth of the block of `count` keys at `begin` into k[word * width + lane].
  static void pack_key_vector(const AttentionArgs& a, const Layout& at, int64_t column, int64_t begin, int64_t j,
                              int64_t count, int64_t width, float* scratch, float* k) {
    const T* x = static_cast<const T*>(a.k) + (begin + j) * a.k_stride + column;
    float* columns = scratch + at.columns;
    const Vec scales =
        gather(x, a.k_stride, min_of(kWidth, count - j), a.d, scratch + at.key_mean, columns) / set(kLargestCode);
    code<true>(columns, scales, a.d, k, width);
    store(scratch + at.key_scales + at.slot(begin) * kKeys + j, scales);
  }

  // Exact: |sum| and |start| are at most 255 · 127 · kMaxHeadDim < 2^24.
  NIBBLE_INLINE Vec exact_dots(const float* sums, float start) {
    const Vec dots = Dot::to_float(load(sums));
    return Dot::kUnsignedKeys ? dots + set(start) : dots;
  }

  // Sums of a row, in place, to scores in log2 units.
  static void scale_row(float* s, int64_t count, float start, float factor, const float* key_scales,
                        const float* bias) {
    for (int64_t j = 0; j < count; j += kWidth) {
      Vec value = exact_dots(s + j, start) * (load(key_scales + j) * set(factor));
      if (bias != nullptr)
        value = fma(j + kWidth <= count ? load(bias + j) : load_part(bias + j, count - j), set(kLog2e), value);
      store(s + j, value);
    }
  }
};

// Weights are rounded to kTop steps, and their sum is that of the rounded weights, so a constant value stays what it
// is.
template <typename T, typename Dot>
struct CodeValues {
  static constexpr int64_t kPerWord = Dot::kPerWord;
  static constexpr bool kCoded = true;
  static constexpr bool kWholeRows = false;

  NIBBLE_INLINE Vec broadcast(const float* word) { return set(*word); }
  NIBBLE_INLINE Vec multiply_add(Vec weight, Vec values, Vec sums) { return Dot::weight_value(weight, values, sums); }
  NIBBLE_INLINE Vec exp2(Vec x) { return Dot::exp2(x); }
  NIBBLE_INLINE Vec begin_sum(const float*, float) { return set(0.0f); }
  NIBBLE_INLINE void end_sum(float* out, float factor, Vec sum) {
    store(out, fma(load(out), set(factor), Dot::to_float(sum)));
  }

  // Each channel's scale over all tokens.
  static void prepare(const AttentionArgs& a, int64_t column, float* scales) {
    const T* values = static_cast<const T*>(a.v) + column;
    join_tokens(values, a.lk, a.v_stride, a.d, scales, [](Vec most, Vec x) { return max(abs(x), most); });
    for (int64_t c = 0; c < a.d; c += kWidth) store(scales + c, load(scales + c) / set(kLargestCode));
  }

  static Vec load_tokens(const T* const tokens[kPerWord], int64_t c, int64_t d, const float* scales) {
    const Vec factor = reciprocal_scale(load(scales + c));
    Vec codes[kPerWord];
    for (int64_t i = 0; i < kPerWord; ++i)
      codes[i] = tokens[i] == nullptr ? set(0.0f) : round(FloatWords<T>::load_row(tokens[i], c, d) * factor);
    return Dot::combine(codes);
  }

  // In place: weight j of a row lies before score j, or on it.
  NIBBLE_INLINE Vec store_weights(float* row, int64_t j, Vec weights) {
    const Vec codes = round(weights * set(Dot::kTop));
    Dot::put_weights(row, j, codes);
    return codes;
  }
};

template <typename T, typename Dot, typename Values = FloatWords<T>>
struct Int8Attention : Attention<T, CodeScores<T, Dot>, Values> {
  using Base = Attention<T, CodeScores<T, Dot>, Values>;

  static void int8_scores(const AttentionArgs& a, int64_t head, int64_t row_begin, int64_t row_end, int32_t* dots,
                          float* row_factors, float* key_scales, void* scratch) {
    const Layout at(a.lk, a.d, Base::kPacking);
    float* space = static_cast<float*>(scratch);
    Base::prepare(a, at, head, a.lk, space);
    for (int64_t row = row_begin; row < row_end; row += at.rows) {
      const int64_t rows = min_of(at.rows, row_end - row);
      Base::pack_queries(a, at, head, row, rows, space);
      for (int64_t i = 0; i < rows; ++i) row_factors[row - row_begin + i] = space[at.row_factors + i];
      for (int64_t key = 0; key < a.lk; key += kKeys) {
        const int64_t count = min_of(kKeys, a.lk - key);
        if (at.blocks == 1) Base::pack_block(a, at, head, key, space);
        for (int64_t j = 0; j < count; ++j) key_scales[key + j] = space[at.key_scales + at.slot(key) * kKeys + j];
        for (int64_t r = 0; r < rows; r += kTileRows)
          copy_dots(a, at, key, r, min_of(kTileRows, rows - r), space, dots + (row - row_begin + r) * a.lk + key);
      }
    }
  }

  static void copy_dots(const AttentionArgs& a, const Layout& at, int64_t key, int64_t r, int64_t rows, float* scratch,
                        int32_t* dots) {
    const int64_t count = min_of(kKeys, a.lk - key), words = Base::words(a.d);
    Base::score(scratch + at.q + r * words, scratch + at.k + at.slot(key) * at.key_block, rows, count, words,
                scratch + at.scores);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < count; j += kWidth) {
        float lanes[kWidth];
        store(lanes,
              CodeScores<T, Dot>::exact_dots(scratch + at.scores + i * kKeys + j, scratch[at.row_starts + r + i]));
        for (int64_t n = 0; n < min_of(kWidth, count - j); ++n) dots[i * a.lk + j + n] = static_cast<int32_t>(lanes[n]);
      }
  }

  static constexpr AttentionKernel kernel(const char* name, DType dtype, Isa isa = kIsa) {
    return {name,      isa,
            dtype,     Values::kCoded ? AttentionForm::Int8 : AttentionForm::Int8Scores,
            row_block, Base::scratch_bytes,
            Base::run, int8_scores};
  }
};

// The four kernels of a Dot whose weights and values are as the float kernels' unless coded.
template <typename Dot>
struct Int8Forms {
  static constexpr AttentionKernel scores_f32(const char* name, Isa isa = kIsa) {
    return Int8Attention<float, Dot>::kernel(name, DType::F32, isa);
  }
  static constexpr AttentionKernel scores_bf16(const char* name, Isa isa = kIsa) {
    return Int8Attention<BFloat16, Dot>::kernel(name, DType::BF16, isa);
  }
  static constexpr AttentionKernel all_f32(const char* name, Isa isa = kIsa) {
    return Int8Attention<float, Dot, CodeValues<float, Dot>>::kernel(name, DType::F32, isa);
  }
  static constexpr AttentionKernel all_bf16(const char* name, Isa isa = kIsa) {
    return Int8Attention<BFloat16, Dot, CodeValues<BFloat16, Dot>>::kernel(name, DType::BF16, isa);
  }
};

}  // namespace
}  // namespace nibble::kernels
