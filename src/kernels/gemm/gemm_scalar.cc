// The formula of gemm.h in plain loops. Panel: float [tap][k][nr].
#include "kernels/gemm/table.h"
#include "kernels/gemm/weight_element.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 4, kNr = 8;

size_t panel_bytes(int64_t taps, int64_t k) { return static_cast<size_t>(taps * k * kNr) * sizeof(float); }

void pack(const WeightView& weight, int64_t n_begin, int n_count, int64_t taps, int64_t k, void* panel) {
  float* out = static_cast<float*>(panel);
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t kk = 0; kk < k; ++kk)
      for (int j = 0; j < kNr; ++j) {
        const int64_t index = (n_begin + j) * weight.n_stride + tap * weight.tap_stride + kk * weight.k_stride;
        *out++ = j < n_count ? load_element(weight.dtype, weight.data, index) : 0.0f;
      }
}

void tile(DType dtype, const TileArgs& args) {
  float acc[kMr * kNr] = {};
  const float* b = static_cast<const float*>(args.panel);
  for (int64_t tap = 0; tap < args.taps; ++tap)
    for (int64_t kk = 0; kk < args.k; ++kk, b += kNr)
      for (int i = 0; i < kMr; ++i) {
        const float a = load_element(dtype, args.rows[tap * kMr + i], kk);
        for (int j = 0; j < kNr; ++j) acc[i * kNr + j] += a * b[j];
      }
  store_tile_plain(dtype, acc, kNr, args);
}

void tile_f32(const TileArgs& args) { tile(DType::F32, args); }
void tile_bf16(const TileArgs& args) { tile(DType::BF16, args); }

}  // namespace

const GemmKernel gemm_f32_4x8_scalar = {"gemm_f32_4x8_scalar", Isa::Scalar, DType::F32, kMr,    kNr,
                                        panel_bytes,           pack,        tile_f32,   nullptr};
const GemmKernel gemm_bf16_4x8_scalar = {
    "gemm_bf16_4x8_scalar", Isa::Scalar, DType::BF16, kMr, kNr, panel_bytes, pack, tile_bf16, nullptr};

}  // namespace nibble::kernels
