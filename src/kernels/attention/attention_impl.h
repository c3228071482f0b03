// Attention over the Vec of the including attention_<isa>.cc, which also defines the register tiles:
//   kStepPanel     vectors of an ordinary panel (keys of a score tile, head elements of a value tile)
//   kMaxPanel      widest panel; a rest of at most this many vectors becomes one panel
//   kRowsOfPanel   rows of a tile by its vectors
// Both products run over 32-bit words, which the template argument Words defines: one float, or two bf16 whose products
// an instruction adds.
//
// A pass scales its query rows once and keeps their output sums, maxima and weights in scratch. It walks over the keys
// in blocks of kKeys, packed and used by all rows, kTileRows at a time, so that scores stay in the first-level cache.
// All blocks are packed once per call when kPackedBytes suffice, else once per pass. Every sum runs over the same order
// whatever tile a row stands in.
#pragma once

#include "kernels/attention/table.h"

namespace nibble::kernels {
namespace {

constexpr int64_t kWidth = Vec::kWidth;
constexpr int64_t kKeys = 128;  // keys of a block
constexpr int64_t kPackedBytes = 32 << 20;
constexpr int64_t kTileRows = 48;  // a multiple of every entry of kRowsOfPanel
constexpr int64_t kScoreRows = kRowsOfPanel[kStepPanel];
constexpr float kLog2e = 1.44269504f;
constexpr float kLowest = -3.0e38f;

constexpr int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t max_of(int64_t a, int64_t b) { return a < b ? b : a; }
constexpr int64_t round_up(int64_t x, int64_t unit) { return (x + unit - 1) / unit * unit; }
constexpr int64_t panel_vectors(int64_t rest) { return rest <= kMaxPanel ? rest : kStepPanel; }

// Rows of a pass: as many as leave their output sums in the second-level cache.
int64_t row_block(int64_t d) { return kTileRows * min_of(10, max_of(2, 32768 / (kTileRows * d))); }

// Parts of the scratch, in floats; each begins at a multiple of 16.
struct Layout {
  int64_t rows, padded_d, blocks;
  int64_t q, k, v, scores, out, largest, sum, end;

  Layout(int64_t lk, int64_t d) : rows(row_block(d)), padded_d(round_up(d, kWidth)) {
    const int64_t all = round_up(lk, kKeys) / kKeys;
    blocks = all * kKeys * (d + padded_d) * 4 <= kPackedBytes ? all : 1;
    q = 0;
    k = q + round_up(rows * d, 16);
    v = k + blocks * kKeys * d;
    scores = v + blocks * kKeys * padded_d;
    out = scores + kTileRows * kKeys;
    largest = out + round_up(rows * padded_d, 16);
    sum = largest + round_up(rows, 16);
    end = sum + rows * kWidth;
  }
  int64_t slot(int64_t key) const { return blocks == 1 ? 0 : key / kKeys; }
};

size_t scratch_bytes(int64_t lk, int64_t d) { return static_cast<size_t>(Layout(lk, d).end) * sizeof(float); }

// s[i][j] = sum_c q[i][c] * k[c][j] over `words` words, for kScoreRows rows and `vectors` vectors of keys; s has kKeys
// columns.
template <typename Words, int vectors>
NIBBLE_KERNEL void score_tile(const float* q, const float* k, int64_t words, float* s) {
  Vec sums[kScoreRows][vectors];
  NIBBLE_UNROLL
  for (auto& row : sums) {
    NIBBLE_UNROLL
    for (Vec& x : row) x = set(0.0f);
  }
  for (int64_t c = 0; c < words; ++c, ++q, k += vectors * kWidth) {
    Vec keys[vectors];
    NIBBLE_UNROLL
    for (int j = 0; j < vectors; ++j) keys[j] = load(k + j * kWidth);
    NIBBLE_UNROLL
    for (int i = 0; i < kScoreRows; ++i) {
      const Vec x = Words::broadcast(q + i * words);
      NIBBLE_UNROLL
      for (int j = 0; j < vectors; ++j) sums[i][j] = Words::multiply_add(x, keys[j], sums[i][j]);
    }
  }
  NIBBLE_UNROLL
  for (int i = 0; i < kScoreRows; ++i) {
    NIBBLE_UNROLL
    for (int j = 0; j < vectors; ++j) store(s + i * kKeys + j * kWidth, sums[i][j]);
  }
}

// out[i][c] = out[i][c] * factor[i] + sum_j p[i][j] * v[j][c] over `words` words of keys; rows of p are kKeys words
// apart.
template <typename Words, int vectors>
NIBBLE_KERNEL void value_tile(const float* p, const float* v, int64_t words, const float* factor, float* out,
                              int64_t out_stride) {
  constexpr int kRows = kRowsOfPanel[vectors];
  Vec sums[kRows][vectors];
  NIBBLE_UNROLL
  for (int i = 0; i < kRows; ++i) {
    NIBBLE_UNROLL
    for (int j = 0; j < vectors; ++j) sums[i][j] = load(out + i * out_stride + j * kWidth) * set(factor[i]);
  }
  for (int64_t key = 0; key < words; ++key, ++p, v += vectors * kWidth) {
    Vec values[vectors];
    NIBBLE_UNROLL
    for (int j = 0; j < vectors; ++j) values[j] = load(v + j * kWidth);
    NIBBLE_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const Vec x = Words::broadcast(p + i * kKeys);
      NIBBLE_UNROLL
      for (int j = 0; j < vectors; ++j) sums[i][j] = Words::multiply_add(x, values[j], sums[i][j]);
    }
  }
  NIBBLE_UNROLL
  for (int i = 0; i < kRows; ++i) {
    NIBBLE_UNROLL
    for (int j = 0; j < vectors; ++j) store(out + i * out_stride + j * kWidth, sums[i][j]);
  }
}

using ScoreTile = void (*)(const float*, const float*, int64_t, float*);
using ValueTile = void (*)(const float*, const float*, int64_t, const float*, float*, int64_t);

template <typename Words>
ScoreTile score_tile_of(int64_t vectors) {
  static_assert(kStepPanel == 2 || kStepPanel == 4);
  if (vectors == 1) return score_tile<Words, 1>;
  if (vectors == 2) return score_tile<Words, 2>;
  if constexpr (kStepPanel == 4) {
    if (vectors == 3) return score_tile<Words, 3>;
    return score_tile<Words, 4>;
  }
  return score_tile<Words, 2>;
}

template <typename Words>
ValueTile value_tile_of(int64_t vectors) {
  static_assert(kMaxPanel == 3 || kMaxPanel == 4);
  if (vectors == 1) return value_tile<Words, 1>;
  if (vectors == 2) return value_tile<Words, 2>;
  if (vectors == 3) return value_tile<Words, 3>;
  return value_tile<Words, kMaxPanel>;
}

// The operands of the float kernels.
template <typename T>
struct FloatWords {
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

// s = s * scale + bias, in log2 units.
void scale_row(float* s, int64_t count, float scale, const float* bias) {
  for (int64_t j = 0; j < count; j += kWidth) {
    Vec value = load(s + j) * set(scale);
    if (bias != nullptr)
      value = fma(j + kWidth <= count ? load(bias + j) : load_part(bias + j, count - j), set(kLog2e), value);
    store(s + j, value);
  }
}

// Turns `count` scores of a row (log2 units, `padded` columns) into weights exp2(s - largest); returns the factor that
// brings earlier sums to the new maximum.
template <typename Words>
float weigh_row(float* s, int64_t count, int64_t padded, float* largest, float* sum) {
  for (int64_t j = count; j < padded; ++j) s[j] = -__builtin_inff();
  Vec tops = set(*largest);
  for (int64_t j = 0; j < padded; j += kWidth) tops = max(tops, load(s + j));
  const float top = reduce_max(tops);
  Vec total = set(0.0f);
  for (int64_t j = 0; j < padded; j += kWidth) {
    const Vec weight = exp2_flushing(load(s + j) - set(top));
    total = total + Words::store_weights(s, j, weight);
  }
  float factors[kWidth];
  const Vec factor = exp2_flushing(set(*largest) - set(top));
  store(factors, factor);
  store(sum, fma(load(sum), factor, total));
  *largest = top;
  return factors[0];
}

template <typename T, typename Words = FloatWords<T>>
struct Attention {
  static const T* token(const void* x, int64_t t, int64_t stride, int64_t column) {
    return static_cast<const T*>(x) + t * stride + column;
  }

  static int64_t words(int64_t elements) { return round_up(elements, Words::kPerWord) / Words::kPerWord; }

  // [rows][words], followed by zero rows up to a whole score tile.
  static void pack_queries(const AttentionArgs& a, int64_t head, int64_t begin, int64_t rows, float* q) {
    const int64_t width = words(a.d);
    for (int64_t r = 0; r < rows; ++r, q += width) {
      const T* x = token(a.q, begin + r, a.q_stride, head * a.d);
      for (int64_t w = 0; w < width; w += kWidth) {
        Vec part = Words::load_row(x, w, a.d);
        if constexpr (Words::kScaledQueries) part = part * set(a.scale * kLog2e);
        if (w + kWidth <= width)
          store(q + w, part);
        else
          store_part(q + w, part, width - w);
      }
    }
    for (int64_t i = 0; i < (round_up(rows, kScoreRows) - rows) * width; ++i) q[i] = 0.0f;
  }

  // Panels of keys: [words][panel width], missing keys zero.
  static void pack_keys(const AttentionArgs& a, int64_t column, int64_t begin, int64_t count, float* k) {
    for (int64_t j = 0; j < round_up(count, kWidth);) {
      const int64_t width = min_of(kStepPanel * kWidth, round_up(count, kWidth) - j);
      for (int64_t i = 0; i < width; i += kWidth)
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
        block[i] = i < count ? Words::load_row(token(a.k, begin + i, a.k_stride, column), w, a.d) : set(0.0f);
      transpose(block);
      for (int64_t i = 0; i < min_of(kWidth, row_words - w); ++i) store(k + (w + i) * width, block[i]);
    }
  }

  // Panels of head elements: [words of keys][panel width], zero past d and past the last key.
  static void pack_values(const AttentionArgs& a, int64_t column, int64_t begin, int64_t count, float* v) {
    const int64_t vectors = round_up(a.d, kWidth) / kWidth;
    for (int64_t first = 0; first < vectors;) {
      const int64_t width = panel_vectors(vectors - first);
      for (int64_t j = 0; j < count; j += Words::kPerWord) {
        const T* tokens[Words::kPerWord];
        for (int64_t i = 0; i < Words::kPerWord; ++i)
          tokens[i] = j + i < count ? token(a.v, begin + j + i, a.v_stride, column) : nullptr;
        for (int64_t i = 0; i < width; ++i, v += kWidth)
          store(v, Words::load_tokens(tokens, (first + i) * kWidth, a.d));
      }
      first += width;
    }
  }

  // scores = q k^T for the first `rows` of a tile and all keys of the block.
  static void score(const float* q, const float* k, int64_t rows, int64_t count, int64_t d_words, float* scores) {
    const int64_t vectors = round_up(count, kWidth) / kWidth;
    for (int64_t first = 0; first < vectors;) {
      const int64_t width = min_of(kStepPanel, vectors - first);
      const ScoreTile tile = score_tile_of<Words>(width);
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
      const ValueTile tile = value_tile_of<Words>(width);
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
    pack_keys(a, column, key, count, scratch + at.k + at.slot(key) * kKeys * a.d);
    pack_values(a, column, key, count, scratch + at.v + at.slot(key) * kKeys * at.padded_d);
  }

  static void pass(const AttentionArgs& a, const Layout& at, int64_t head, int64_t begin, int64_t rows,
                   float* scratch) {
    float *out = scratch + at.out, *largest = scratch + at.largest, *sum = scratch + at.sum;
    pack_queries(a, head, begin, rows, scratch + at.q);
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
      finish_row(out + r * at.padded_d, reduce_add(load(sum + r * kWidth)), a.d,
                 static_cast<T*>(a.out) + (begin + r) * a.out_stride + head * a.d);
  }

  // Adds one block of keys to the sums of one tile of rows; r is the tile's place in the pass.
  static void block(const AttentionArgs& a, const Layout& at, int64_t head, int64_t row, int64_t rows, int64_t key,
                    int64_t r, float* scratch) {
    const int64_t count = min_of(kKeys, a.lk - key);
    const float* k = scratch + at.k + at.slot(key) * kKeys * a.d;
    const float* v = scratch + at.v + at.slot(key) * kKeys * at.padded_d;
    float* scores = scratch + at.scores;
    float factors[kTileRows] = {};
    score(scratch + at.q + r * words(a.d), k, rows, count, words(a.d), scores);
    const int64_t padded = round_up(count, kWidth);
    for (int64_t i = 0; i < rows; ++i) {
      const float* bias = a.bias;
      if (bias != nullptr) bias += head * a.bias_head_stride + (row + i) * a.bias_row_stride + key;
      const int64_t seen = max_of(0, min_of(count, visible(a, row + i) - key));
      if (bias != nullptr || !Words::kScaledQueries)
        scale_row(scores + i * kKeys, seen, Words::kScaledQueries ? 1.0f : a.scale * kLog2e, bias);
      factors[i] = weigh_row<Words>(scores + i * kKeys, seen, padded, scratch + at.largest + r + i,
                                    scratch + at.sum + (r + i) * kWidth);
    }
    accumulate(scores, v, rows, words(count), at.padded_d, factors, scratch + at.out + r * at.padded_d);
  }

  // Adding 0 turns -0 into 0, which makes a skipped block of masked keys equal to one that was added.
  static void finish_row(const float* out, float sum, int64_t d, T* y) {
    const Vec factor = set(sum == 0.0f ? 0.0f : 1.0f / sum);
    int64_t c = 0;
    for (; c + kWidth <= d; c += kWidth) store(y + c, fma(load(out + c), factor, set(0.0f)));
    if (c < d) store_part(y + c, fma(load(out + c), factor, set(0.0f)), d - c);
  }

  static void run(const AttentionArgs& a, int64_t head, int64_t row_begin, int64_t row_end, void* scratch) {
    const Layout at(a.lk, a.d);
    float* space = static_cast<float*>(scratch);
    for (int64_t i = 0; i < kTileRows * kKeys; ++i) space[at.scores + i] = 0.0f;
    const int64_t keys_end = visible(a, row_end - 1);
    if (at.blocks > 1)
      for (int64_t key = 0; key < keys_end; key += kKeys) pack_block(a, at, head, key, space);
    for (int64_t row = row_begin; row < row_end; row += at.rows)
      pass(a, at, head, row, min_of(at.rows, row_end - row), space);
  }

  static constexpr AttentionKernel kernel(const char* name, DType dtype, Isa isa = kIsa) {
    return {name, isa, dtype, row_block, scratch_bytes, run};
  }
};

}  // namespace
}  // namespace nibble::kernels
