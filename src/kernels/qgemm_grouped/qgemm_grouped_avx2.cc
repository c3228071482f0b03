// 4 rows x 16 columns. Products of 4-bit codes are summed in int16: vpmaddubsw takes the weight code + 8 (0..15, unsigned) and the
// activation code (-7..15, signed), two products to a lane, and 64 k add up to at most 16 · 2 · 15 · 15 = 7,200. One vpmaddwd
// per group widens them. The + 8 is taken back by the start, -8 · sum of the activation codes.
// Panel: bytes [taps][padded_k / 4][16][4].
#include "kernels/simd/vec_avx2.h"
// After the vectors.
#include "kernels/qgemm_grouped/expand_avx2.h"
#include "kernels/qgemm_grouped/finish_impl.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 4, kNr = 16;

size_t panel_bytes(int64_t taps, int64_t padded_k) { return static_cast<size_t>(taps * padded_k * kNr); }

NIBBLE_KERNEL void expand(const QuantWeightView& w, int64_t first, void* panel) {
  expand_codes(w, first, 4 * kNr, static_cast<uint8_t*>(panel));
}

// Dots of one step into acc [4][2], scaled.
NIBBLE_INLINE void add_step(const int8_t* const a[kMr], const float scales[kMr], const int32_t starts[kMr], const uint8_t* b, int64_t count,
                            const float* ratios, __m256 acc[kMr][2]) {
  __m256i sums[kMr][2];
#pragma GCC unroll 4
  for (int i = 0; i < kMr; ++i) sums[i][0] = sums[i][1] = _mm256_setzero_si256();
  for (int64_t k = 0; k < count; k += 4, b += 64) {
    const __m256i b0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(b));
    const __m256i b1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(b + 32));
#pragma GCC unroll 4
    for (int i = 0; i < kMr; ++i) {
      int32_t quad;
      __builtin_memcpy(&quad, a[i] + k, 4);
      const __m256i x = _mm256_set1_epi32(quad);
      sums[i][0] = _mm256_add_epi16(sums[i][0], _mm256_maddubs_epi16(b0, x));
      sums[i][1] = _mm256_add_epi16(sums[i][1], _mm256_maddubs_epi16(b1, x));
    }
  }
  const __m256i one = _mm256_set1_epi16(1);
  const __m256 r0 = _mm256_loadu_ps(ratios), r1 = _mm256_loadu_ps(ratios + 8);
#pragma GCC unroll 4
  for (int i = 0; i < kMr; ++i) {
    const __m256i start = _mm256_set1_epi32(starts[i]);
    const __m256 d0 = _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_madd_epi16(sums[i][0], one), start));
    const __m256 d1 = _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_madd_epi16(sums[i][1], one), start));
    const __m256 s = _mm256_set1_ps(scales[i]);
    acc[i][0] = _mm256_fmadd_ps(d0, _mm256_mul_ps(s, r0), acc[i][0]);
    acc[i][1] = _mm256_fmadd_ps(d1, _mm256_mul_ps(s, r1), acc[i][1]);
  }
}

NIBBLE_INLINE void accumulate(const QGroupedTileArgs& args, float* out) {
  __m256 acc[kMr][2];
#pragma GCC unroll 4
  for (int i = 0; i < kMr; ++i) acc[i][0] = acc[i][1] = _mm256_setzero_ps();
  const uint8_t* b = static_cast<const uint8_t*>(args.panel);
  const float* ratios = args.ratios;
  for (int64_t tap = 0; tap < args.taps; ++tap, b += args.padded_k * kNr, ratios += args.groups * kNr)
    for (int64_t step = 0; step < args.steps; ++step) {
      const int64_t k = step * args.step, count = k + args.step < args.padded_k ? args.step : args.padded_k - k;
      const int8_t* a[kMr];
      float scales[kMr];
      int32_t starts[kMr];
#pragma GCC unroll 4
      for (int i = 0; i < kMr; ++i) {
        a[i] = static_cast<const int8_t*>(args.rows[tap * kMr + i]) + k;
        scales[i] = args.scales[tap * kMr + i][step >> args.scale_shift];
        starts[i] = args.starts[tap * kMr + i][step];
      }
      add_step(a, scales, starts, b + k * kNr, count, ratios + (step >> args.ratio_shift) * kNr, acc);
    }
#pragma GCC unroll 4
  for (int i = 0; i < kMr; ++i) {
    _mm256_store_ps(out + i * kNr, acc[i][0]);
    _mm256_store_ps(out + i * kNr + 8, acc[i][1]);
  }
}

NIBBLE_KERNEL void tile_f32(const QGroupedTileArgs& args) {
  alignas(32) float sums[kMr * kNr];
  accumulate(args, sums);
  finish_grouped<float, kMr, kNr>(DType::F32, sums, args);
}

NIBBLE_KERNEL void tile_bf16(const QGroupedTileArgs& args) {
  alignas(32) float sums[kMr * kNr];
  accumulate(args, sums);
  finish_grouped<BFloat16, kMr, kNr>(DType::BF16, sums, args);
}

}  // namespace

const QGemmGroupedKernel qgemm_grouped_f32_4x16_avx2 = {
    "qgemm_grouped_f32_4x16_avx2", Isa::Avx2, DType::F32, kMr, kNr, panel_bytes, expand, tile_f32, true};
const QGemmGroupedKernel qgemm_grouped_bf16_4x16_avx2 = {
    "qgemm_grouped_bf16_4x16_avx2", Isa::Avx2, DType::BF16, kMr, kNr, panel_bytes, expand, tile_bf16, true};

}  // namespace nibble::kernels
