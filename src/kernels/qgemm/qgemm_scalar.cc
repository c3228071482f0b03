// The formula of qgemm.h in plain loops. Panel: int8 [taps][padded_k][16].
#include "kernels/qgemm/epilogue.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 4, kNr = 16;

size_t panel_bytes(int64_t taps, int64_t padded_k) { return static_cast<size_t>(taps * padded_k * kNr); }

int code_of(const QuantWeightView& w, const uint8_t* panel, int64_t tap, int64_t k, int lane) {
  const bool four = w.shape.kind == WeightKind::Int4;
  const int64_t step = four ? 8 : 4, block = tap * (w.shape.padded_k() / step) + k / step;
  const uint8_t byte = panel[(block * kPanelChannels + lane) * 4 + k % 4];
  if (!four) return static_cast<int8_t>(byte);
  return static_cast<int>(k % step >= 4 ? byte >> 4 : byte & 15) - 8;
}

void expand(const QuantWeightView& w, int64_t first, void* out) {
  const QuantShape& s = w.shape;
  int8_t* to = static_cast<int8_t*>(out);
  const uint8_t* codes = w.codes + first * s.panel_bytes();
  const int16_t* ratios = w.ratios == nullptr ? nullptr : w.ratios + first * s.taps * s.groups() * kPanelChannels;
  for (int64_t tap = 0; tap < s.taps; ++tap)
    for (int64_t k = 0; k < s.padded_k(); ++k)
      for (int lane = 0; lane < kNr; ++lane) {
        const int q = code_of(w, codes, tap, k, lane);
        const int64_t group = (tap * s.groups() + k / s.group) * kPanelChannels + lane;
        *to++ = static_cast<int8_t>(ratios == nullptr ? q : panel_code(q, ratios[group]));
      }
}

void tile(DType dtype, const QTileArgs& args) {
  int32_t sums[kMr * kNr] = {};
  const int8_t* b = static_cast<const int8_t*>(args.panel);
  for (int64_t tap = 0; tap < args.taps; ++tap)
    for (int64_t k = 0; k < args.padded_k; ++k, b += kNr)
      for (int i = 0; i < kMr; ++i) {
        const int a = static_cast<const int8_t*>(args.rows[tap * kMr + i])[k];
        for (int j = 0; j < kNr; ++j) sums[i * kNr + j] += a * b[j];
      }
  finish_tile_plain(dtype, sums, kNr, 0, args);
}

void tile_f32(const QTileArgs& args) { tile(DType::F32, args); }
void tile_bf16(const QTileArgs& args) { tile(DType::BF16, args); }

}  // namespace

const QGemmKernel qgemm_f32_4x16_scalar = {"qgemm_f32_4x16_scalar", Isa::Scalar, DType::F32, kMr,     kNr,    panel_bytes,
                                           expand,                  tile_f32,    nullptr,    nullptr, false};
const QGemmKernel qgemm_bf16_4x16_scalar = {"qgemm_bf16_4x16_scalar", Isa::Scalar, DType::BF16, kMr,     kNr,    panel_bytes,
                                            expand,                   tile_bf16,   nullptr,     nullptr, false};

}  // namespace nibble::kernels
