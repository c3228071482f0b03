// Constants, scratch and register tiles of attention_impl.h.
#pragma once

#include <cstddef>
#include <cstdint>

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

// Elements a word holds on each side, and whether queries and keys are codes.
struct Packing {
  int64_t score_words, value_words;
  bool coded;
};

// Parts of the scratch, in floats; each begins at a multiple of 16.
struct Layout {
  int64_t rows, padded_d, blocks, key_block, value_block;
  int64_t q, k, v, scores, out, largest, sum;
  int64_t row_factors, row_starts, key_scales, key_mean, value_scales, columns;  // of codes
  int64_t end = 0;

  Layout(int64_t lk, int64_t d, Packing packing) : rows(row_block(d)), padded_d(round_up(d, kWidth)) {
    const int64_t all = round_up(lk, kKeys) / kKeys, words = round_up(d, packing.score_words) / packing.score_words;
    key_block = kKeys * words;
    value_block = kKeys / packing.value_words * padded_d;
    blocks = all * (key_block + value_block) * 4 <= kPackedBytes ? all : 1;
    q = take(round_up(rows, kScoreRows) * words);
    k = take(blocks * key_block);
    v = take(blocks * value_block);
    scores = take(kTileRows * kKeys);
    out = take(rows * padded_d);
    largest = take(rows);
    sum = take(rows * kWidth);
    const int64_t coded = packing.coded ? 1 : 0;
    row_factors = take(coded * rows);
    row_starts = take(coded * rows);
    key_scales = take(coded * blocks * kKeys);
    key_mean = take(coded * padded_d);
    value_scales = take(coded * padded_d);
    columns = take(coded * padded_d * kWidth);
  }
  int64_t slot(int64_t key) const { return blocks == 1 ? 0 : key / kKeys; }

 private:
  int64_t take(int64_t floats) {
    const int64_t at = end;
    end += round_up(floats, 16);
    return at;
  }
};

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
    for (int j = 0; j < vectors; ++j) sums[i][j] = Words::begin_sum(out + i * out_stride + j * kWidth, factor[i]);
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
    for (int j = 0; j < vectors; ++j) Words::end_sum(out + i * out_stride + j * kWidth, factor[i], sums[i][j]);
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

}  // namespace
}  // namespace nibble::kernels
