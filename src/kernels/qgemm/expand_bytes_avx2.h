// Panels of unsigned bytes for vpdpbusd: code + 128, [taps][padded_k / 4][16][4] with `stride` bytes from one k4 to the next.
#pragma once

#include "kernels/qgemm/table.h"

namespace nibble::kernels {
namespace {

NIBBLE_INLINE __m256i bytes_at(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
NIBBLE_INLINE void put_bytes(uint8_t* p, __m256i v) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), v); }

// Sixteen ratios as the unpacked halves of two vectors of eight channels want them: each four times.
NIBBLE_INLINE void spread_ratios(const int16_t* ratios, __m256i out[2][2]) {
  const __m256i pattern = _mm256_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 8, 9, 8, 9, 8, 9, 8, 9, 10, 11, 10, 11, 10, 11, 10, 11);
  for (int half = 0; half < 2; ++half) {
    const __m256i eight = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(ratios + 8 * half)));
    out[half][0] = _mm256_shuffle_epi8(eight, pattern);
    out[half][1] = _mm256_shuffle_epi8(eight, _mm256_add_epi8(pattern, _mm256_set1_epi8(4)));
  }
}

// Codes of eight channels, 0..15, to panel codes + 128: (q · 256 · r + 2^14) >> 15 is (q · r + 64) >> 7.
NIBBLE_INLINE __m256i panel_bytes_of(__m256i codes, const __m256i ratios[2]) {
  const __m256i q = _mm256_sub_epi8(codes, _mm256_set1_epi8(8)), zero = _mm256_setzero_si256();
  const __m256i low = _mm256_mulhrs_epi16(_mm256_unpacklo_epi8(zero, q), ratios[0]);
  const __m256i high = _mm256_mulhrs_epi16(_mm256_unpackhi_epi8(zero, q), ratios[1]);
  return _mm256_xor_si256(_mm256_packs_epi16(low, high), _mm256_set1_epi8(static_cast<char>(-128)));
}

NIBBLE_INLINE void expand_int4_bytes(const QuantShape& s, const uint8_t* codes, const int16_t* ratios, int64_t stride, uint8_t* to) {
  const __m256i low = _mm256_set1_epi8(15);
  const int64_t padded_k = s.padded_k(), group = s.group;
  for (int64_t tap = 0; tap < s.taps; ++tap)
    for (int64_t first = 0; first < padded_k; first += group, ratios += 16) {
      __m256i r[2][2];
      spread_ratios(ratios, r);
      const int64_t end = first + group < padded_k ? first + group : padded_k;
      for (int64_t k = first; k < end; k += 8, codes += 64, to += 2 * stride)
        for (int half = 0; half < 2; ++half) {
          const __m256i bytes = bytes_at(codes + 32 * half);
          put_bytes(to + 32 * half, panel_bytes_of(_mm256_and_si256(bytes, low), r[half]));
          put_bytes(to + stride + 32 * half, panel_bytes_of(_mm256_and_si256(_mm256_srli_epi16(bytes, 4), low), r[half]));
        }
    }
}

NIBBLE_INLINE void expand_int8_bytes(const QuantShape& s, const uint8_t* codes, int64_t stride, uint8_t* to) {
  const __m256i sign = _mm256_set1_epi8(static_cast<char>(-128));
  for (int64_t block = 0; block < s.taps * s.padded_k() / 4; ++block, codes += 64, to += stride)
    for (int half = 0; half < 64; half += 32) put_bytes(to + half, _mm256_xor_si256(bytes_at(codes + half), sign));
}

// One stored panel of sixteen channels.
NIBBLE_INLINE void expand_bytes(const QuantWeightView& w, int64_t panel, int64_t stride, uint8_t* to) {
  const QuantShape& s = w.shape;
  const uint8_t* codes = w.codes + panel * s.panel_bytes();
  if (s.kind == WeightKind::Int8) return expand_int8_bytes(s, codes, stride, to);
  expand_int4_bytes(s, codes, w.ratios + panel * s.taps * s.groups() * kPanelChannels, stride, to);
}

}  // namespace
}  // namespace nibble::kernels
