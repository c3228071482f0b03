// 6 rows x 16 columns: 12 accumulators of one step; the float sums of the tile lie on the stack between steps.
#include "kernels/simd/vec_avx2.h"
// After the vectors.
#include "kernels/qgemm_grouped/expand_avx2.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 6, kNr = 16;

using Integers = __m256i;
NIBBLE_INLINE __m256i start(int32_t x) { return _mm256_set1_epi32(x); }
NIBBLE_INLINE __m256i load_weights(const uint8_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
NIBBLE_INLINE __m256i dot(__m256i sum, __m256i w, __m256i a) { return _mm256_dpbusd_avx_epi32(sum, w, a); }
NIBBLE_INLINE Vec to_floats(__m256i sum) { return {_mm256_cvtepi32_ps(sum)}; }

}  // namespace
}  // namespace nibble::kernels

#include "kernels/qgemm_grouped/vnni_impl.h"

namespace nibble::kernels {
namespace {

size_t panel_bytes(int64_t taps, int64_t padded_k) { return static_cast<size_t>(taps * padded_k * kNr); }

NIBBLE_KERNEL void expand(const QuantWeightView& w, int64_t first, void* panel) {
  expand_codes(w, first, 4 * kNr, static_cast<uint8_t*>(panel));
}

NIBBLE_KERNEL void tile_f32(const QGroupedTileArgs& args) {
  alignas(32) float sums[kMr * kNr];
  accumulate<kMr, kNr>(args, sums);
  finish_grouped<float, kMr, kNr>(DType::F32, sums, args);
}

NIBBLE_KERNEL void tile_bf16(const QGroupedTileArgs& args) {
  alignas(32) float sums[kMr * kNr];
  accumulate<kMr, kNr>(args, sums);
  finish_grouped<BFloat16, kMr, kNr>(DType::BF16, sums, args);
}

}  // namespace

const QGemmGroupedKernel qgemm_grouped_f32_6x16_avxvnni = {
    "qgemm_grouped_f32_6x16_avxvnni", Isa::AvxVnni, DType::F32, kMr, kNr, panel_bytes, expand, tile_f32, true};
const QGemmGroupedKernel qgemm_grouped_bf16_6x16_avxvnni = {
    "qgemm_grouped_bf16_6x16_avxvnni", Isa::AvxVnni, DType::BF16, kMr, kNr, panel_bytes, expand, tile_bf16, true};

}  // namespace nibble::kernels
