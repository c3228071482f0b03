// What the AVX-512 kernels share: 12 rows x 32 columns in 24 accumulators, at an edge 8 or 4 rows; operands as in qgemm_avxvnni.cc. Panel: bytes
// [taps][padded_k / 4][32][4].
#pragma once

#include <type_traits>

#include "kernels/simd/vec_avx512.h"
// After the vectors.
#include "kernels/qgemm/finish_impl.h"

namespace nibble::kernels {
namespace {

constexpr int kMr = 12, kNr = 32;

size_t panel_bytes(int64_t taps, int64_t padded_k) { return static_cast<size_t>(taps * padded_k * kNr); }

NIBBLE_INLINE __m512i sign_bits() { return _mm512_set1_epi8(static_cast<char>(-128)); }

// Codes of sixteen channels, 0..15, to panel codes + 128: (q · 256 · r + 2^14) >> 15 is (q · r + 64) >> 7.
NIBBLE_INLINE __m512i panel_bytes_of(__m512i codes, __m512i low_ratios, __m512i high_ratios) {
  const __m512i q = _mm512_sub_epi8(codes, _mm512_set1_epi8(8)), zero = _mm512_setzero_si512();
  const __m512i low = _mm512_mulhrs_epi16(_mm512_unpacklo_epi8(zero, q), low_ratios);
  const __m512i high = _mm512_mulhrs_epi16(_mm512_unpackhi_epi8(zero, q), high_ratios);
  return _mm512_xor_si512(_mm512_packs_epi16(low, high), sign_bits());
}

// Ratios 4i .. 4i + 3 of each block of sixteen bytes, the first or last two four times each.
NIBBLE_INLINE __m512i spread_ratios(const int16_t* ratios, int64_t pattern_low, int64_t pattern_high) {
  const __m512i all = _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(ratios)));
  const __m512i fours = _mm512_permutexvar_epi64(_mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0), all);
  return _mm512_shuffle_epi8(fours, _mm512_set_epi64(pattern_high, pattern_low, pattern_high, pattern_low, pattern_high, pattern_low,
                                                     pattern_high, pattern_low));
}

NIBBLE_INLINE void expand_int4(const QuantShape& s, const uint8_t* codes, const int16_t* ratios, uint8_t* to) {
  const __m512i nibble = _mm512_set1_epi8(15);
  const int64_t padded_k = s.padded_k(), group = s.group;
  for (int64_t tap = 0; tap < s.taps; ++tap)
    for (int64_t first = 0; first < padded_k; first += group, ratios += 16) {
      const __m512i r0 = spread_ratios(ratios, 0x0100010001000100, 0x0302030203020302);
      const __m512i r1 = spread_ratios(ratios, 0x0504050405040504, 0x0706070607060706);
      const int64_t end = first + group < padded_k ? first + group : padded_k;
      for (int64_t k = first; k < end; k += 8, codes += 64, to += 8 * kNr) {
        const __m512i bytes = _mm512_loadu_si512(codes);
        _mm512_store_si512(to, panel_bytes_of(_mm512_and_si512(bytes, nibble), r0, r1));
        _mm512_store_si512(to + 4 * kNr, panel_bytes_of(_mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble), r0, r1));
      }
    }
}

NIBBLE_KERNEL void expand(const QuantWeightView& w, int64_t first, void* panel) {
  const QuantShape& s = w.shape;
  for (int64_t part = 0; part < kNr / kPanelChannels; ++part) {
    uint8_t* to = static_cast<uint8_t*>(panel) + part * 64;
    const bool exists = first + part < s.panels();
    const uint8_t* codes = w.codes + (first + part) * s.panel_bytes();
    if (exists && s.kind == WeightKind::Int4) {
      expand_int4(s, codes, w.ratios + (first + part) * s.taps * s.groups() * kPanelChannels, to);
      continue;
    }
    for (int64_t block = 0; block < s.taps * s.padded_k() / 4; ++block, codes += 64, to += 4 * kNr)
      _mm512_store_si512(to, exists ? _mm512_xor_si512(_mm512_loadu_si512(codes), sign_bits()) : sign_bits());
  }
}

// The first mr rows.
template <int mr>
NIBBLE_INLINE void accumulate(const QTileArgs& args, __m512i acc[mr][2]) {
#pragma GCC unroll 12
  for (int i = 0; i < mr; ++i) acc[i][0] = acc[i][1] = _mm512_set1_epi32(-128 * args.sums[i]);
  const uint8_t* b = static_cast<const uint8_t*>(args.panel);
  const void* const* rows = args.rows;
  const int64_t quads = args.padded_k / 4;
  for (int64_t tap = 0; tap < args.taps; ++tap, rows += kMr) {
    const int32_t* a[mr];
#pragma GCC unroll 12
    for (int i = 0; i < mr; ++i) a[i] = static_cast<const int32_t*>(rows[i]);
    for (int64_t k = 0; k < quads; ++k, b += 4 * kNr) {
      const __m512i b0 = _mm512_load_si512(b), b1 = _mm512_load_si512(b + 64);
#pragma GCC unroll 12
      for (int i = 0; i < mr; ++i) {
        const __m512i x = _mm512_set1_epi32(a[i][k]);
        acc[i][0] = _mm512_dpbusd_epi32(acc[i][0], b0, x);
        acc[i][1] = _mm512_dpbusd_epi32(acc[i][1], b1, x);
      }
    }
  }
}

template <int mr>
NIBBLE_KERNEL void store_sums(const QTileArgs& args, int32_t* out) {
  __m512i acc[mr][2];
  accumulate<mr>(args, acc);
#pragma GCC unroll 12
  for (int i = 0; i < mr; ++i) {
    _mm512_store_si512(out + i * kNr, acc[i][0]);
    _mm512_store_si512(out + i * kNr + 16, acc[i][1]);
  }
}

// Few rows do not pay for twelve: f of a compile-time number of rows that holds m_count.
template <typename Function>
NIBBLE_INLINE void with_rows(int m_count, const Function& f) {
  if (m_count > 8) return f(std::integral_constant<int, kMr>{});
  if (m_count > 4) return f(std::integral_constant<int, 8>{});
  f(std::integral_constant<int, 4>{});
}

NIBBLE_INLINE void accumulate(const QTileArgs& args, int32_t* out) {
  with_rows(args.m_count, [&](auto mr) { store_sums<mr>(args, out); });
}

// float(sum) · a_scale · s; w0 and w1 hold s of the columns.
template <int mr>
NIBBLE_INLINE void scale(const QTileArgs& args, const __m512i acc[mr][2], __m512 w0, __m512 w1, __m512 x[mr][2]) {
#pragma GCC unroll 12
  for (int i = 0; i < mr; ++i) {
    const __m512 a = _mm512_set1_ps(args.a_scales[i]);
    x[i][0] = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[i][0]), _mm512_mul_ps(a, w0));
    x[i][1] = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[i][1]), _mm512_mul_ps(a, w1));
  }
}

}  // namespace
}  // namespace nibble::kernels
