// 6 rows x 32 columns: 12 accumulators of one step and the 12 float sums of the tile in registers.
#include "kernels/simd/vec_avx512.h"
// After the vectors.
#include "kernels/qgemm_grouped/expand_avx2.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 6, kNr = 32;

using Integers = __m512i;
NIBBLE_INLINE __m512i start(int32_t x) { return _mm512_set1_epi32(x); }
NIBBLE_INLINE __m512i load_weights(const uint8_t* p) { return _mm512_load_si512(p); }
NIBBLE_INLINE __m512i dot(__m512i sum, __m512i w, __m512i a) { return _mm512_dpbusd_epi32(sum, w, a); }
NIBBLE_INLINE Vec to_floats(__m512i sum) { return {_mm512_cvtepi32_ps(sum)}; }

}  // namespace
}  // namespace nibble::kernels

#include "kernels/qgemm_grouped/vnni_impl.h"

namespace nibble::kernels {
namespace {

size_t panel_bytes(int64_t taps, int64_t padded_k) { return static_cast<size_t>(taps * padded_k * kNr); }

NIBBLE_KERNEL void expand(const QuantWeightView& w, int64_t first, void* panel) {
  for (int64_t part = 0; part < kNr / kPanelChannels && first + part < w.shape.panels(); ++part)
    expand_codes(w, first + part, 4 * kNr, static_cast<uint8_t*>(panel) + part * 64);
}

NIBBLE_KERNEL void tile_f32(const QGroupedTileArgs& args) {
  alignas(64) float sums[kMr * kNr];
  accumulate<kMr, kNr>(args, sums);
  finish_grouped<float, kMr, kNr>(DType::F32, sums, args);
}

NIBBLE_KERNEL void tile_bf16(const QGroupedTileArgs& args) {
  alignas(64) float sums[kMr * kNr];
  accumulate<kMr, kNr>(args, sums);
  finish_grouped<BFloat16, kMr, kNr>(DType::BF16, sums, args);
}

}  // namespace

const QGemmGroupedKernel qgemm_grouped_f32_6x32_avx512vnni = {
    "qgemm_grouped_f32_6x32_avx512vnni", Isa::Avx512Vnni, DType::F32, kMr, kNr, panel_bytes, expand, tile_f32, true};
const QGemmGroupedKernel qgemm_grouped_bf16_6x32_avx512vnni = {
    "qgemm_grouped_bf16_6x32_avx512vnni", Isa::Avx512Vnni, DType::BF16, kMr, kNr, panel_bytes, expand, tile_bf16, true};

}  // namespace nibble::kernels
