// 6 rows x 16 columns in 12 accumulators; panels are float [tap][k][16] for both element types.
// bf16 activations are expanded to float by the driver: shifting them here would compete with the FMAs for their ports.
#include "kernels/gemm/pack_x86.h"
#include "kernels/gemm/table.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 6, kNr = 16;

size_t panel_bytes(int64_t taps, int64_t k) { return static_cast<size_t>(taps * k * kNr) * sizeof(float); }

NIBBLE_KERNEL void pack(const WeightView& weight, int64_t n_begin, int n_count, int64_t taps, int64_t k, void* panel) {
  expand_panel({weight, n_begin, n_count, kNr}, taps, k, static_cast<float*>(panel));
}

// Round to nearest even; NaN stays NaN.
NIBBLE_INLINE __m128i round_to_bf16(__m256 x) {
  const __m256i u = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(0x40));
  const __m256 is_nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
  const __m256i words = _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(is_nan));
  return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

NIBBLE_INLINE void store8(DType dtype, void* c, int64_t index, __m256 x) {
  if (dtype == DType::F32)
    _mm256_storeu_ps(static_cast<float*>(c) + index, x);
  else
    _mm_storeu_si128(reinterpret_cast<__m128i*>(static_cast<uint16_t*>(c) + index), round_to_bf16(x));
}

// C = acc + bias + residual; acc [6][16].
NIBBLE_INLINE void store_tile(DType dtype, const float* acc, const TileArgs& args) {
  if (args.n_count != kNr) return store_tile_plain(dtype, acc, kNr, args);
  for (int j = 0; j < kNr; j += 8) {
    const __m256 bias = args.bias != nullptr ? _mm256_loadu_ps(args.bias + j) : _mm256_setzero_ps();
    for (int i = 0; i < args.m_count; ++i) {
      __m256 x = _mm256_loadu_ps(acc + i * kNr + j);
      if (args.bias != nullptr) x = _mm256_add_ps(x, bias);
      if (args.residual != nullptr) x = _mm256_add_ps(x, load8(dtype, args.residual, i * args.residual_stride + j));
      store8(dtype, args.c, i * args.c_stride + j, x);
    }
  }
}

NIBBLE_INLINE void prefetch_result(const TileArgs& args, int64_t item) {
  for (int i = 0; i < args.m_count; ++i)
    _mm_prefetch(static_cast<const char*>(args.c) + i * args.c_stride * item, _MM_HINT_T0);
}

NIBBLE_INLINE void clear(__m256 acc[kMr][2]) {
#pragma GCC unroll 6
  for (int i = 0; i < kMr; ++i) acc[i][0] = acc[i][1] = _mm256_setzero_ps();
}

NIBBLE_INLINE void spill(const __m256 acc[kMr][2], float* out) {
#pragma GCC unroll 6
  for (int i = 0; i < kMr; ++i) {
    _mm256_store_ps(out + i * kNr, acc[i][0]);
    _mm256_store_ps(out + i * kNr + 8, acc[i][1]);
  }
}

// The sum over taps and k into out [6][16].
NIBBLE_INLINE void accumulate(const TileArgs& args, float* out) {
  __m256 acc[kMr][2];
  clear(acc);
  const float* b = static_cast<const float*>(args.panel);
  const void* const* rows = args.rows;
  const int64_t k = args.k;
  for (int64_t tap = 0; tap < args.taps; ++tap, rows += kMr) {
    const float* a[kMr];
#pragma GCC unroll 6
    for (int i = 0; i < kMr; ++i) a[i] = static_cast<const float*>(rows[i]);
    for (int64_t kk = 0; kk < k; ++kk, b += kNr) {
      const __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
#pragma GCC unroll 6
      for (int i = 0; i < kMr; ++i) {
        const __m256 x = _mm256_broadcast_ss(a[i] + kk);
        acc[i][0] = _mm256_fmadd_ps(x, b0, acc[i][0]);
        acc[i][1] = _mm256_fmadd_ps(x, b1, acc[i][1]);
      }
    }
  }
  spill(acc, out);
}

NIBBLE_KERNEL void tile_f32(const TileArgs& args) {
  alignas(32) float out[kMr * kNr];
  prefetch_result(args, sizeof(float));
  accumulate(args, out);
  store_tile(DType::F32, out, args);
}

NIBBLE_KERNEL void tile_bf16(const TileArgs& args) {
  alignas(32) float out[kMr * kNr];
  prefetch_result(args, sizeof(uint16_t));
  accumulate(args, out);
  store_tile(DType::BF16, out, args);
}

NIBBLE_KERNEL void expand_bf16_row(const void* row, int64_t k, float* out) {
  const uint16_t* a = static_cast<const uint16_t*>(row);
  int64_t kk = 0;
  for (; kk + 8 <= k; kk += 8) _mm256_storeu_ps(out + kk, load8(DType::BF16, a, kk));
  for (; kk < k; ++kk) out[kk] = float_from_bf16(a[kk]);
}

}  // namespace

const GemmKernel gemm_f32_6x16_avx2 = {"gemm_f32_6x16_avx2", Isa::Avx2, DType::F32, kMr,    kNr,
                                       panel_bytes,          pack,      tile_f32,   nullptr};
const GemmKernel gemm_bf16_6x16_avx2 = {
    "gemm_bf16_6x16_avx2", Isa::Avx2, DType::BF16, kMr, kNr, panel_bytes, pack, tile_bf16, expand_bf16_row};

}  // namespace nibble::kernels
