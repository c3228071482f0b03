// Tiles of mr x nr over vpdpbusd: weights are unsigned bytes, code + 8, the 8 taken back by the start of each step's sums.
// Panel: bytes [taps][padded_k / 4][nr][4]. Include after one kernels/simd/vec_<isa>.h, with Integers and its functions:
// start(int32_t), load_weights(p), dot(sum, weights, activations) and to_floats(sum).
#pragma once

#include "kernels/qgemm_grouped/finish_impl.h"

namespace nibble::kernels {
namespace {

template <int mr, int nr>
NIBBLE_INLINE void accumulate(const QGroupedTileArgs& args, float* out) {
  constexpr int width = Vec::kWidth, columns = nr / width;
  Vec sums[mr][columns];
  NIBBLE_UNROLL
  for (int i = 0; i < mr; ++i) NIBBLE_UNROLL for (int j = 0; j < columns; ++j) sums[i][j] = set(0.0f);
  const uint8_t* b = static_cast<const uint8_t*>(args.panel);
  const void* const* rows = args.rows;
  const float *const *scales = args.scales, *ratios = args.ratios;
  const int32_t* const* starts = args.starts;
  for (int64_t tap = 0; tap < args.taps; ++tap, rows += mr, scales += mr, starts += mr, ratios += args.groups * nr)
    for (int64_t step = 0; step < args.steps; ++step) {
      const int32_t* a[mr];
      Integers acc[mr][columns];
      NIBBLE_UNROLL
      for (int i = 0; i < mr; ++i) {
        a[i] = reinterpret_cast<const int32_t*>(static_cast<const int8_t*>(rows[i]) + step * args.step);
        NIBBLE_UNROLL
        for (int j = 0; j < columns; ++j) acc[i][j] = start(starts[i][step]);
      }
      const int64_t left = args.padded_k - step * args.step, quads = (left < args.step ? left : args.step) / 4;
      for (int64_t k = 0; k < quads; ++k, b += 4 * nr) {
        Integers w[columns];
        NIBBLE_UNROLL
        for (int j = 0; j < columns; ++j) w[j] = load_weights(b + 4 * width * j);
        NIBBLE_UNROLL
        for (int i = 0; i < mr; ++i) {
          const Integers x = start(a[i][k]);
          NIBBLE_UNROLL
          for (int j = 0; j < columns; ++j) acc[i][j] = dot(acc[i][j], w[j], x);
        }
      }
      const float* ratio = ratios + (step >> args.ratio_shift) * nr;
      NIBBLE_UNROLL
      for (int i = 0; i < mr; ++i) NIBBLE_UNROLL for (int j = 0; j < columns; ++j)
        sums[i][j] = fma(to_floats(acc[i][j]), set(scales[i][step >> args.scale_shift]) * load(ratio + j * width), sums[i][j]);
    }
  NIBBLE_UNROLL
  for (int i = 0; i < mr; ++i) NIBBLE_UNROLL for (int j = 0; j < columns; ++j) store(out + i * nr + j * width, sums[i][j]);
}

}  // namespace
}  // namespace nibble::kernels
