#include "quant/matrix.h"

#include <algorithm>

#include "base/check.h"
#include "ops/gemm_run.h"

namespace nibble::quant {
namespace {

void run(Context& context, const Strided& c, const Strided& a, kernels::WeightView b, bool accumulate) {
  if (c.rows == 0 || c.cols == 0) return;
  kernels::GemmProblem p{};
  p.m = c.rows, p.n = c.cols, p.k = a.cols, p.taps = 1;
  p.a = a.data, p.a_stride = a.stride;
  p.weight = b;
  p.c = c.data, p.c_stride = c.stride;
  if (accumulate) p.residual = c.data, p.residual_stride = c.stride;
  std::vector<std::byte> scratch(ops::gemm_scratch(context, DType::F32, 1, a.cols) + 64);
  std::byte* at = scratch.data() + (64 - reinterpret_cast<size_t>(scratch.data()) % 64) % 64;
  ops::run_gemm_threaded(context, DType::F32, p, at);
}

Strided whole(const Matrix& m) { return {const_cast<float*>(m.values.data()), m.rows, m.cols, m.cols}; }

}  // namespace

Matrix minus(Context& context, const Matrix& a, const Matrix& b) {
  NIBBLE_CHECK(a.rows == b.rows && a.cols == b.cols, "difference of {} x {} and {} x {}", a.rows, a.cols, b.rows, b.cols);
  Matrix out(a.rows, a.cols);
  each_row(context, a.rows, [&](int64_t r) {
    for (int64_t i = 0; i < a.cols; ++i) out.row(r)[i] = a.row(r)[i] - b.row(r)[i];
  });
  return out;
}

Matrix product_nt(Context& context, const Matrix& a, const Matrix& b) {
  NIBBLE_CHECK(a.cols == b.cols, "product of {} and {} columns", a.cols, b.cols);
  Matrix c(a.rows, b.rows);
  run(context, whole(c), whole(a), {b.values.data(), DType::F32, b.cols, 0, 1}, false);
  return c;
}

Matrix product_nn(Context& context, const Matrix& a, const Matrix& b) {
  NIBBLE_CHECK(a.cols == b.rows, "product of {} columns and {} rows", a.cols, b.rows);
  Matrix c(a.rows, b.cols);
  run(context, whole(c), whole(a), {b.values.data(), DType::F32, 1, 0, b.cols}, false);
  return c;
}

Matrix gram(Context& context, const Matrix& a) {
  constexpr int64_t kBand = 192;
  Matrix c(a.rows, a.rows);
  for (int64_t first = 0; first < a.rows; first += kBand) {  // from the diagonal on, whole bands keep the products large
    const int64_t rows = std::min(kBand, a.rows - first);
    run(context, {c.row(first) + first, rows, a.rows - first, c.cols}, {const_cast<float*>(a.row(first)), rows, a.cols, a.cols},
        {a.row(first), DType::F32, a.cols, 0, 1}, false);
  }
  each_row(context, a.rows, [&](int64_t i) {
    for (int64_t j = 0; j < i; ++j) c.row(i)[j] = c.row(j)[i];
  });
  return c;
}

void add_product(Context& context, const Strided& c, const Strided& a, const Strided& b, bool b_transposed, float sign) {
  const kernels::WeightView view = b_transposed ? kernels::WeightView{b.data, DType::F32, b.stride, 0, 1}
                                                : kernels::WeightView{b.data, DType::F32, 1, 0, b.stride};
  if (sign > 0) return run(context, c, a, view, true);
  Matrix negative(a.rows, a.cols);
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t i = 0; i < a.cols; ++i) negative.row(r)[i] = -a.data[r * a.stride + i];
  run(context, c, whole(negative), view, true);
}

Matrix transposed(const Matrix& a) {
  Matrix t(a.cols, a.rows);
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t c = 0; c < a.cols; ++c) t.row(c)[r] = a.row(r)[c];
  return t;
}

}  // namespace nibble::quant
