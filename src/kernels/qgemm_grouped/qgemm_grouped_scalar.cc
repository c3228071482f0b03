// The formula of qgemm_grouped.h in plain loops. Panel: int8 [taps][padded_k][16].
#include "kernels/qgemm_grouped/epilogue.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 4, kNr = 16;

size_t panel_bytes(int64_t taps, int64_t padded_k) { return static_cast<size_t>(taps * padded_k * kNr); }

void expand(const QuantWeightView& w, int64_t panel, void* out) {
  const QuantShape& s = w.shape;
  int8_t* to = static_cast<int8_t*>(out);
  const uint8_t* codes = w.codes + panel * s.panel_bytes();
  for (int64_t k = 0; k < s.taps * s.padded_k(); ++k)
    for (int lane = 0; lane < kNr; ++lane) {
      const uint8_t byte = codes[(k / 8 * kPanelChannels + lane) * 4 + k % 4];
      *to++ = static_cast<int8_t>(static_cast<int>(k % 8 >= 4 ? byte >> 4 : byte & 15) - 8);
    }
}

void tile(DType dtype, const QGroupedTileArgs& args) {
  float sums[kMr * kNr] = {};
  const int8_t* b = static_cast<const int8_t*>(args.panel);
  for (int64_t tap = 0; tap < args.taps; ++tap, b += args.padded_k * kNr)
    for (int64_t step = 0; step < args.steps; ++step) {
      const int64_t begin = step * args.step, end = begin + args.step < args.padded_k ? begin + args.step : args.padded_k;
      const float* ratio = args.ratios + (tap * args.groups + (step >> args.ratio_shift)) * kNr;
      for (int i = 0; i < kMr; ++i) {
        const int8_t* a = static_cast<const int8_t*>(args.rows[tap * kMr + i]);
        const float scale = args.scales[tap * kMr + i][step >> args.scale_shift];
        for (int j = 0; j < kNr; ++j) {
          int32_t dot = 0;
          for (int64_t k = begin; k < end; ++k) dot += a[k] * b[k * kNr + j];
          sums[i * kNr + j] = __builtin_fmaf(static_cast<float>(dot), scale * ratio[j], sums[i * kNr + j]);
        }
      }
    }
  finish_grouped_plain(dtype, sums, kNr, 0, args);
}

void tile_f32(const QGroupedTileArgs& args) { tile(DType::F32, args); }
void tile_bf16(const QGroupedTileArgs& args) { tile(DType::BF16, args); }

}  // namespace

const QGemmGroupedKernel qgemm_grouped_f32_4x16_scalar = {
    "qgemm_grouped_f32_4x16_scalar", Isa::Scalar, DType::F32, kMr, kNr, panel_bytes, expand, tile_f32, false};
const QGemmGroupedKernel qgemm_grouped_bf16_4x16_scalar = {
    "qgemm_grouped_bf16_4x16_scalar", Isa::Scalar, DType::BF16, kMr, kNr, panel_bytes, expand, tile_bf16, false};

}  // namespace nibble::kernels
