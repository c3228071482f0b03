// 6 rows x 16 columns in 12 accumulators. vpdpbusd multiplies the weights as unsigned bytes, code + 128, with signed activations;
// the 128 is taken back by the start of each row's sums, -128 · sum of its activations. Panel: bytes [taps][padded_k / 4][16][4].
#include "kernels/simd/vec_avx2.h"
// After the vectors.
#include "kernels/qgemm/expand_bytes_avx2.h"
#include "kernels/qgemm/finish_impl.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 6, kNr = 16;

size_t panel_bytes(int64_t taps, int64_t padded_k) { return static_cast<size_t>(taps * padded_k * kNr); }

NIBBLE_KERNEL void expand(const QuantWeightView& w, int64_t first, void* panel) {
  expand_bytes(w, first, 4 * kNr, static_cast<uint8_t*>(panel));
}

NIBBLE_INLINE void accumulate(const QTileArgs& args, int32_t* out) {
  __m256i acc[kMr][2];
#pragma GCC unroll 6
  for (int i = 0; i < kMr; ++i) acc[i][0] = acc[i][1] = _mm256_set1_epi32(-128 * args.sums[i]);
  const __m256i* b = static_cast<const __m256i*>(args.panel);
  const void* const* rows = args.rows;
  const int64_t quads = args.padded_k / 4;
  for (int64_t tap = 0; tap < args.taps; ++tap, rows += kMr) {
    const int32_t* a[kMr];
#pragma GCC unroll 6
    for (int i = 0; i < kMr; ++i) a[i] = static_cast<const int32_t*>(rows[i]);
    for (int64_t k = 0; k < quads; ++k, b += 2) {
      const __m256i b0 = _mm256_load_si256(b), b1 = _mm256_load_si256(b + 1);
#pragma GCC unroll 6
      for (int i = 0; i < kMr; ++i) {
        const __m256i x = _mm256_set1_epi32(a[i][k]);
        acc[i][0] = _mm256_dpbusd_avx_epi32(acc[i][0], b0, x);
        acc[i][1] = _mm256_dpbusd_avx_epi32(acc[i][1], b1, x);
      }
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kMr; ++i) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + i * kNr), acc[i][0]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + i * kNr + 8), acc[i][1]);
  }
}

NIBBLE_KERNEL void tile_f32(const QTileArgs& args) {
  alignas(32) int32_t sums[kMr * kNr];
  accumulate(args, sums);
  finish_tile<float, kMr, kNr>(DType::F32, sums, args);
}

NIBBLE_KERNEL void tile_bf16(const QTileArgs& args) {
  alignas(32) int32_t sums[kMr * kNr];
  accumulate(args, sums);
  finish_tile<BFloat16, kMr, kNr>(DType::BF16, sums, args);
}

}  // namespace

const QGemmKernel qgemm_f32_6x16_avxvnni = {
    "qgemm_f32_6x16_avxvnni", Isa::AvxVnni, DType::F32, kMr, kNr, panel_bytes, expand, tile_f32, nullptr, nullptr, true};
const QGemmKernel qgemm_bf16_6x16_avxvnni = {
    "qgemm_bf16_6x16_avxvnni", Isa::AvxVnni, DType::BF16, kMr, kNr, panel_bytes, expand, tile_bf16, nullptr, nullptr, true};

}  // namespace nibble::kernels
