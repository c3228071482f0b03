// Weight codes as unsigned bytes, code + 8: [taps][padded_k / 4][16][4] with `stride` bytes from one k4 to the next.
#pragma once

#include "kernels/qgemm_grouped/table.h"

namespace nibble::kernels {
namespace {

NIBBLE_INLINE void expand_codes(const QuantWeightView& w, int64_t panel, int64_t stride, uint8_t* to) {
  const QuantShape& s = w.shape;
  const uint8_t* codes = w.codes + panel * s.panel_bytes();
  const __m256i low = _mm256_set1_epi8(15);
  for (int64_t block = 0; block < s.taps * s.padded_k() / 8; ++block, codes += 64, to += 2 * stride)
    for (int half = 0; half < 64; half += 32) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + half));
      _mm256_store_si256(reinterpret_cast<__m256i*>(to + half), _mm256_and_si256(bytes, low));
      _mm256_store_si256(reinterpret_cast<__m256i*>(to + stride + half), _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low));
    }
}

}  // namespace
}  // namespace nibble::kernels
