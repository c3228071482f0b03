#include "kernels/qgemm/tile_avx512.h"

namespace nibble::kernels {
namespace {

NIBBLE_KERNEL void tile_f32(const QTileArgs& args) {
  alignas(64) int32_t sums[kMr * kNr];
  accumulate(args, sums);
  finish_tile<float, kMr, kNr>(DType::F32, sums, args);
}

NIBBLE_KERNEL void tile_bf16(const QTileArgs& args) {
  alignas(64) int32_t sums[kMr * kNr];
  accumulate(args, sums);
  finish_tile<BFloat16, kMr, kNr>(DType::BF16, sums, args);
}

}  // namespace

const QGemmKernel qgemm_f32_12x32_avx512vnni = {
    "qgemm_f32_12x32_avx512vnni", Isa::Avx512Vnni, DType::F32, kMr, kNr, panel_bytes, expand, tile_f32, nullptr, nullptr, true};
const QGemmKernel qgemm_bf16_12x32_avx512vnni = {
    "qgemm_bf16_12x32_avx512vnni", Isa::Avx512Vnni, DType::BF16, kMr, kNr, panel_bytes, expand, tile_bf16, nullptr, nullptr, true};

}  // namespace nibble::kernels
