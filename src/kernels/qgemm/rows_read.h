// Which rows of a a part of C reads, and which row a pointer into a points to: for both families of integer products.
#pragma once

#include <algorithm>

#include "kernels/gemm/tap_rows.h"

namespace nibble::kernels {

struct RowRange {
  int64_t begin, end;
};

// Of the rows [m_begin, m_end) of C; conv null: dense.
inline RowRange rows_read(const ConvGeometry* conv, int64_t m_begin, int64_t m_end) {
  if (conv == nullptr) return {m_begin, m_end};
  const ConvGeometry& g = *conv;
  const auto line = [&](const Pixel& at, int64_t tap) {
    const int64_t y = std::clamp<int64_t>(at.y * g.stride + tap - g.pad_top, 0, g.height * g.upsample - 1);
    return (at.image * g.height + y / g.upsample) * g.width;
  };
  return {line(pixel_at(g, m_begin), 0), line(pixel_at(g, m_end - 1), g.kernel_h - 1) + g.width};
}

// Products are whole numbers: no division.
struct RowNumber {
  const std::byte* a;
  double rows_per_byte;
  RowNumber(const int8_t* first, int64_t stride) : a(reinterpret_cast<const std::byte*>(first)), rows_per_byte(1.0 / static_cast<double>(stride)) {}
  int64_t operator()(const void* row) const {
    return static_cast<int64_t>(static_cast<double>(static_cast<const std::byte*>(row) - a) * rows_per_byte + 0.5);
  }
};

}  // namespace nibble::kernels
