// Panels of signed bytes for sdot, [taps][padded_k / 4][16][4], and for smmla, [taps][padded_k / 8][16][8].
#pragma once

#include "kernels/qgemm/table.h"

namespace nibble::kernels {
namespace {

enum class ByteOrder : uint8_t { Quads, Eights };

// Sixteen ratios, two channels a vector, each four times.
NIBBLE_INLINE void spread_ratios(const int16_t* ratios, int16x8_t out[8]) {
  for (int i = 0; i < 8; ++i) out[i] = vcombine_s16(vdup_n_s16(ratios[2 * i]), vdup_n_s16(ratios[2 * i + 1]));
}

// Codes of four channels to panel codes, (q · r + 64) >> 7.
NIBBLE_INLINE int8x16_t panel_codes(int8x16_t q, int16x8_t first, int16x8_t second) {
  const int16x8_t low = vmulq_s16(vmovl_s8(vget_low_s8(q)), first), high = vmulq_s16(vmovl_s8(vget_high_s8(q)), second);
  return vcombine_s8(vrshrn_n_s16(low, 7), vrshrn_n_s16(high, 7));
}

// Four channels with k .. k + 3 in `low` and k + 4 .. k + 7 in `high`.
NIBBLE_INLINE void put_channels(ByteOrder order, int8x16_t low, int8x16_t high, int block, int8_t* to) {
  if (order == ByteOrder::Quads) {
    vst1q_s8(to + 16 * block, low);
    vst1q_s8(to + 64 + 16 * block, high);
    return;
  }
  const int32x4_t a = vreinterpretq_s32_s8(low), b = vreinterpretq_s32_s8(high);
  vst1q_s8(to + 32 * block, vreinterpretq_s8_s32(vzip1q_s32(a, b)));
  vst1q_s8(to + 32 * block + 16, vreinterpretq_s8_s32(vzip2q_s32(a, b)));
}

NIBBLE_INLINE void expand_int4(ByteOrder order, const QuantShape& s, const uint8_t* codes, const int16_t* ratios, int8_t* to) {
  const uint8x16_t nibble = vdupq_n_u8(15);
  const int8x16_t eight = vdupq_n_s8(8);
  const int64_t padded_k = s.padded_k(), group = s.group;
  for (int64_t tap = 0; tap < s.taps; ++tap)
    for (int64_t first = 0; first < padded_k; first += group, ratios += 16) {
      int16x8_t r[8];
      spread_ratios(ratios, r);
      const int64_t end = first + group < padded_k ? first + group : padded_k;
      for (int64_t k = first; k < end; k += 8, codes += 64, to += 128)
        for (int i = 0; i < 4; ++i) {
          const uint8x16_t bytes = vld1q_u8(codes + 16 * i);
          const int8x16_t low = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(bytes, nibble)), eight);
          const int8x16_t high = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4)), eight);
          put_channels(order, panel_codes(low, r[2 * i], r[2 * i + 1]), panel_codes(high, r[2 * i], r[2 * i + 1]), i, to);
        }
    }
}

// One stored panel of sixteen channels.
NIBBLE_INLINE void expand_bytes(ByteOrder order, const QuantWeightView& w, int64_t panel, void* out) {
  const QuantShape& s = w.shape;
  const uint8_t* codes = w.codes + panel * s.panel_bytes();
  int8_t* to = static_cast<int8_t*>(out);
  if (s.kind == WeightKind::Int4) return expand_int4(order, s, codes, w.ratios + panel * s.taps * s.groups() * kPanelChannels, to);
  for (int64_t block = 0; block < s.taps * s.padded_k() / 8; ++block, codes += 128, to += 128)
    for (int i = 0; i < 4; ++i)
      put_channels(order, vreinterpretq_s8_u8(vld1q_u8(codes + 16 * i)), vreinterpretq_s8_u8(vld1q_u8(codes + 64 + 16 * i)), i, to);
}

}  // namespace
}  // namespace nibble::kernels
