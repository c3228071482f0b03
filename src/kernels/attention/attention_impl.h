// Attention over the Vec of the including attention_<isa>.cc, which also defines the register tiles:
//   kStepPanel     vectors of an ordinary panel (keys of a score tile, head elements of a value tile)
//   kMaxPanel      widest panel; a rest of at most this many vectors becomes one panel
//   kRowsOfPanel   rows of a tile by its vectors
// Both products run over 32-bit words, which the template arguments Scores and Values define: one float, two bf16 whose
// products an instruction adds, or codes (int8_words.h).
//
// A pass scales its query rows once and keeps their output sums, maxima and weights in scratch. It walks over the keys
// in blocks of kKeys, packed and used by all rows, kTileRows at a time, so that scores stay in the first-level cache.
// All blocks are packed once per call when kPackedBytes suffice, else once per pass. Every sum runs over the same order
// whatever tile a row stands in.
#pragma once

#include "kernels/attention/attention_tiles.h"
#include "kernels/attention/float_words.h"
#include "kernels/attention/table.h"

namespace nibble::kernels {
namespace {

NIBBLE_INLINE float row_maximum(const float* s, int64_t padded) {
  Vec tops = set(-__builtin_inff());
  for (int64_t j = 0; j < padded; j += kWidth) tops = max(tops, load(s + j));
  return reduce_max(tops);
}

// Scores of a row (`padded` columns; times `scale` they are log2 units) become weights exp2(s · scale - top); returns their sums.
template <typename Values>
NIBBLE_INLINE Vec weigh(float* s, int64_t padded, float scale, float top) {
  if constexpr (Values::kWholeRows) {
    return Values::weigh(s, padded, scale, top);
  } else {
    Vec total = set(0.0f);
    for (int64_t j = 0; j < padded; j += kWidth)
      total = total + Values::store_weights(s, j, Values::exp2(fma(load(s + j), set(scale), set(-top))));
    return total;
  }
}

// Turns a row of scores into weights; returns the factor that brings earlier sums to the new maximum.
template <typename Values>
float weigh_row(float* s, int64_t padded, float scale, float* largest, float* sum) {
  const float highest = row_maximum(s, padded) * scale, top = highest < *largest ? *largest : highest;
  const Vec total = weigh<Values>(s, padded, scale, top);
  float factors[kWidth];
  const Vec factor = exp2_flushing(set(*largest) - set(top));
  store(factors, factor);
  store(sum, fma(load(sum), factor, total));
  *largest = top;
  return factors[0];
}

template <typename T, typename Scores = FloatWords<T>, typename Values = Scores>
struct Attention {
  static const T* token(const void* x, int64_t t, int64_t stride, int64_t column) {
    return static_cast<const T*>(x) + t * stride + column;
  }

  static constexpr Packing kPacking = {Scores::kPerWord, Values::kPerWord, Scores::kCoded};

  // From products of queries and keys to log2 units.
  static float score_scale(const AttentionArgs& a) { return Scores::kScaledQueries ? 1.0f : a.scale * kLog2e; }

  static int64_t words(int64_t elements) { return round_up(elements, Scores::kPerWord) / Scores::kPerWord; }

  // [rows][words], followed by zero rows up to a whole score tile.
  static void pack_queries(const AttentionArgs& a, const Layout& at, int64_t head, int64_t begin, int64_t rows,
                           float* scratch) {
    const int64_t width = words(a.d);
    float* q = scratch + at.q;
    if constexpr (Scores::kCoded)
      Scores::pack_queries(a, at, head, begin, rows, scratch);
    else
      for (int64_t r = 0; r < rows; ++r)
        pack_query(token(a.q, begin + r, a.q_stride, head * a.d), a.d, a.scale * kLog2e, q + r * width);
    for (int64_t i = rows * width; i < round_up(rows, kScoreRows) * width; ++i) q[i] = 0.0f;
  }

  static void pack_query(const T* x, int64_t d, float scale, float* q) {
    const int64_t width = words(d);
    for (int64_t w = 0; w < width; w += kWidth) {
      Vec part = Scores::load_row(x, w, d);
      if constexpr (Scores::kScaledQueries) part = part * set(scale);
      if (w + kWidth <= width)
        store(q + w, part);
      else
        store_part(q + w, part, width - w);
    }
  }

  // Panels of keys: [words][panel width], missing keys zero.
  static void pack_keys(const AttentionArgs& a, const Layout& at, int64_t column, int64_t begin, int64_t count,
                        float* scratch) {
    float* k = scratch + at.k + at.slot(begin) * at.key_block;
    for (int64_t j = 0; j < round_up(count, kWidth);) {
      const int64_t width = min_of(kStepPanel * kWidth, round_up(count, kWidth) - j);
      for (int64_t i = 0; i < width; i += kWidth)
        if constexpr (Scores::kCoded)
          Scores::pack_key_vector(a, at, column, begin, j + i, count, width, scratch, k + i);
        else
          pack_key_vector(a, column, begin + j + i, count - j - i, width, k + i);
      k += width * words(a.d);
      j += width;
    }
  }

  // kWidth keys, of which `count` exist, into k[word * width + lane].
  static void pack_key_vector(const AttentionArgs& a, int64_t column, int64_t begin, int64_t count, int64_t width,
                              float* k) {
    const int64_t row_words = words(a.d);
    for (int64_t w = 0; w < row_words; w += kWidth) {
      Vec block[kWidth];
      for (int64_t i = 0; i < kWidth; ++i)
        block[i] = i < count ? Scores::load_row(token(a.k, begin + i, a.k_stride, column), w, a.d) : set(0.0f);
      transpose(block);
      for (int64_t i = 0; i < min_of(kWidth, row_words - w); ++i) store(k + (w + i) * width, block[i]);
    }
  }

  // Panels of head elements: [words of keys][panel width], zero past d and past the last key.
  static void pack_values(const AttentionArgs& a, int64_t column, int64_t begin, int64_t count,
                          const float* value_scales, float* v) {
    const int64_t vectors = round_up(a.d, kWidth) / kWidth;
    for (int64_t first = 0; first < vectors;) {
      const int64_t width = panel_vectors(vectors - first);
      for (int64_t j = 0; j < count; j += Values::kPerWord) {
        const T* tokens[Values::kPerWord];
        for (int64_t i = 0; i < Values::kPerWord; ++i)
          tokens[i] = j + i < count ? token(a.v, begin + j + i, a.v_stride, column) : nullptr;
        for (int64_t i = 0; i < width; ++i, v += kWidth)
          if constexpr (Values::kCoded)
            store(v, Values::load_tokens(tokens, (first + i) * kWidth, a.d, value_scales));
          else
            store(v, Values::load_tokens(tokens, (first + i) * kWidth, a.d));
      }
      first += width;
    }
  }

  // scores = q k^T for the first `rows` of a tile and all keys of the block.
  static void score(const float* q, const float* k, int64_t rows, int64_t count, int64_t d_words, float* scores) {
    const int64_t vectors = round_up(count, kWidth) / kWidth;
    for (int64_t first = 0; first < vectors;) {
      const int64_t width = min_of(kStepPanel, vectors - first);
      const ScoreTile tile = score_tile_of<Scores>(width);
      for (int64_t r = 0; r < rows; r += kScoreRows)
        tile(q + r * d_words, k, d_words, scores + r * kKeys + first * kWidth);
      k += width * kWidth * d_words;
      first += width;
    }
  }

  static void accumulate(const float* weights, const float* v, int64_t rows, int64_t key_words, int64_t padded_d,
                         const float* factors, float* out) {
    const int64_t vectors = padded_d / kWidth;
    for (int64_t first = 0; first < vectors;) {
      const int64_t width = panel_vectors(vectors - first);
      const ValueTile tile = value_tile_of<Values>(width);
      for (int64_t r = 0; r < rows; r += kRowsOfPanel[width])
        tile(weights + r * kKeys, v, key_words, factors + r, out + r * padded_d + first * kWidth, padded_d);
      v += width * kWidth * key_words;
      first += width;
    }
  }

  // Keys that a row sees.
  static int64_t visible(const AttentionArgs& a, int64_t row) {
    return a.causal ? max_of(0, min_of(a.lk, row + a.lk - a.lq + 1)) : a.lk;
  }

  static void pack_block(const AttentionArgs& a, const Layout& at, int64_t head, int64_t key, float* scratch) {
    const int64_t column = head / a.heads_per_kv * a.d, count = min_of(kKeys, a.lk - key);
    pack_keys(a, at, column, key, count, scratch);
    pack_values(a, column, key, count, scratch + at.value_scales, scratch + at.v + at.slot(key) * at.value_block);
  }

  static void pass(const AttentionArgs& a, const Layout& at, int64_t head, int64_t begin, int64_t rows,
                   float* scratch) {
    float *out = scratch + at.out, *largest = scratch + at.largest, *sum = scratch + at.sum;
    pack_queries(a, at, head, begin, rows, scratch);
    for (int64_t i = 0; i < round_up(rows, kTileRows) * at.padded_d; ++i) out[i] = 0.0f;
    for (int64_t i = 0; i < rows; ++i) largest[i] = kLowest;
    for (int64_t i = 0; i < rows * kWidth; ++i) sum[i] = 0.0f;
    const int64_t keys_end = visible(a, begin + rows - 1);
    for (int64_t key = 0; key < keys_end; key += kKeys) {
      if (at.blocks == 1) pack_block(a, at, head, key, scratch);
      for (int64_t r = 0; r < rows; r += kTileRows) {
        if (visible(a, begin + min_of(r + kTileRows, rows) - 1) <= key) continue;
        block(a, at, head, begin + r, min_of(kTileRows, rows - r), key, r, scratch);
      }
    }
    for (int64_t r = 0; r < rows; ++r)
      finish_row(out + r * at.padded_d, reduce_add(load(sum + r * kWidth)), a.d, scratch + at.value_scales,
                 static_cast<T*>(a.out) + (begin + r) * a.out_stride + head * a.d);
  }

  // Adds one block of keys to the sums of one tile of rows; r is the tile's place in the pass.
  static void block(const AttentionArgs& a, const Layout& at, int64_t head, int64_t row, int64_t rows, int64_t key,
                    int64_t r, float* scratch) {
    const int64_t count = min_of(kKeys, a.lk - key);
    const float* k = scratch + at.k + at.slot(key) * at.key_block;
    const float* v = scratch + at.v + at.slot(key) * at.value_block;
    float* scores = scratch + at.scores;
    float factors[kTileRows] = {};
    score(scratch + at.q + r * words(a.d), k, rows, count, words(a.d), scores);
    const int64_t padded = round_up(count, kWidth);
    for (int64_t i = 0; i < rows; ++i) {
      const float* bias = a.bias;
      if (bias != nullptr) bias += head * a.bias_head_stride + (row + i) * a.bias_row_stride + key;
      const int64_t seen = max_of(0, min_of(count, visible(a, row + i) - key));
      float* own = scores + i * kKeys;
      // Without a bias the scale waits until the weights are made, unless it turns maxima into minima.
      const bool scaled = Scores::kCoded || bias != nullptr || a.scale <= 0.0f;
      if constexpr (Scores::kCoded)
        Scores::scale_row(own, seen, scratch[at.row_starts + r + i], scratch[at.row_factors + r + i],
                          scratch + at.key_scales + at.slot(key) * kKeys, bias);
      else if (scaled)
        Scores::scale_row(own, seen, score_scale(a), bias);
      for (int64_t j = seen; j < padded; ++j) own[j] = -__builtin_inff();
      factors[i] = weigh_row<Values>(own, padded, scaled ? 1.0f : score_scale(a), scratch + at.largest + r + i,
                                     scratch + at.sum + (r + i) * kWidth);
    }
    accumulate(scores, v, rows, round_up(count, Values::kPerWord) / Values::kPerWord, at.padded_d, factors,
               scratch + at.out + r * at.padded_d);
  }

  // Adding 0 turns -0 into 0, which makes a skipped block of masked keys equal to one that was added.
  static void finish_row(const float* out, float sum, int64_t d, const float* value_scales, T* y) {
    const Vec factor = set(sum == 0.0f ? 0.0f : 1.0f / sum);
    for (int64_t c = 0; c < d; c += kWidth) {
      Vec value = fma(load(out + c), factor, set(0.0f));
      if constexpr (Values::kCoded) value = value * load(value_scales + c);
      if (c + kWidth <= d)
        store(y + c, value);
      else
        store_part(y + c, value, d - c);
    }
  }

  // What all rows of a call share: statistics of the head's keys and values, and their blocks where all have a place.
  static void prepare(const AttentionArgs& a, const Layout& at, int64_t head, int64_t keys_end, float* scratch) {
    const int64_t column = head / a.heads_per_kv * a.d;
    for (int64_t i = 0; i < kTileRows * kKeys; ++i) scratch[at.scores + i] = 0.0f;
    if constexpr (Scores::kCoded) Scores::prepare(a, column, scratch + at.key_mean);
    if constexpr (Values::kCoded) Values::prepare(a, column, scratch + at.value_scales);
    if (at.blocks > 1)
      for (int64_t key = 0; key < keys_end; key += kKeys) pack_block(a, at, head, key, scratch);
  }

  static void run(const AttentionArgs& a, int64_t head, int64_t row_begin, int64_t row_end, void* scratch) {
    const Layout at(a.lk, a.d, kPacking);
    float* space = static_cast<float*>(scratch);
    prepare(a, at, head, visible(a, row_end - 1), space);
    for (int64_t row = row_begin; row < row_end; row += at.rows)
      pass(a, at, head, row, min_of(at.rows, row_end - row), space);
  }

  static size_t scratch_bytes(int64_t lk, int64_t d) {
    return static_cast<size_t>(Layout(lk, d, kPacking).end) * sizeof(float);
  }

  static constexpr AttentionKernel kernel(const char* name, DType dtype, Isa isa = kIsa) {
    return {name, isa, dtype, AttentionForm::Float, row_block, scratch_bytes, run};
  }
};

}  // namespace
}  // namespace nibble::kernels
