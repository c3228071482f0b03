// A dense float32 matrix, rows one after another, and the few products quantizers need, on the project's own kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "base/context.h"
#include "base/large_pages.h"

namespace nibble::quant {

struct Matrix {
  int64_t rows = 0, cols = 0;
  std::vector<float, LargePages<float>> values;

  Matrix() = default;
  Matrix(int64_t r, int64_t c) : rows(r), cols(c), values(static_cast<size_t>(r * c)) {}
  float* row(int64_t r) { return values.data() + r * cols; }
  const float* row(int64_t r) const { return values.data() + r * cols; }
  bool empty() const { return values.empty(); }
};

// body(row) for every row, shared among the threads.
template <typename Body>
void each_row(Context& context, int64_t rows, const Body& body) {
  context.threads.run(rows, 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) body(r);
  });
}

Matrix minus(Context& context, const Matrix& a, const Matrix& b);
// a [M, K] · b [N, K]^T -> [M, N]
Matrix product_nt(Context& context, const Matrix& a, const Matrix& b);
// a [M, K] · b [K, N] -> [M, N]
Matrix product_nn(Context& context, const Matrix& a, const Matrix& b);
// a [M, K] · a^T -> [M, M]
Matrix gram(Context& context, const Matrix& a);
// C [M, N] += sign · A [M, K] · B [K, N], all with row strides in elements; A is copied when sign is negative.
struct Strided {
  float* data;
  int64_t rows, cols, stride;
};
void add_product(Context& context, const Strided& c, const Strided& a, const Strided& b, bool b_transposed, float sign);

Matrix transposed(const Matrix& a);

}  // namespace nibble::quant
