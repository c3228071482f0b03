#include "quant/factor.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "base/check.h"
#include "base/eigen.h"

namespace nibble::quant {
namespace {

constexpr int64_t kBlock = 96;

// Factor of one diagonal block [begin, end), from its last row up: H_bb = U_bb · U_bb^T. False where it is not positive definite.
bool factor_block(Matrix& h, int64_t begin, int64_t end) {
  for (int64_t j = end - 1; j >= begin; --j) {
    double d = h.row(j)[j];
    for (int64_t k = j + 1; k < end; ++k) d -= static_cast<double>(h.row(j)[k]) * h.row(j)[k];
    if (!(d > 0)) return false;
    const double root = std::sqrt(d);
    h.row(j)[j] = static_cast<float>(root);
    for (int64_t i = begin; i < j; ++i) {
      double v = h.row(i)[j];
      for (int64_t k = j + 1; k < end; ++k) v -= static_cast<double>(h.row(i)[k]) * h.row(j)[k];
      h.row(i)[j] = static_cast<float>(v / root);
    }
  }
  return true;
}

// Rows [0, begin) of the block's columns: U_ab = H_ab · U_bb^-T.
void solve_above(Context& context, Matrix& h, int64_t begin, int64_t end) {
  context.threads.run(begin, 16, [&](int64_t first, int64_t last, int) {
    for (int64_t i = first; i < last; ++i) {
      float* row = h.row(i);
      for (int64_t j = end - 1; j >= begin; --j) {
        const float* u = h.row(j);
        float v = row[j];
        for (int64_t k = j + 1; k < end; ++k) v -= row[k] * u[k];
        row[j] = v / u[j];
      }
    }
  });
}

bool factor(Context& context, Matrix& h) {
  for (int64_t end = h.rows; end > 0;) {
    const int64_t begin = std::max<int64_t>(0, end - kBlock);
    if (!factor_block(h, begin, end)) return false;
    if (begin > 0) {
      solve_above(context, h, begin, end);
      const Strided panel{h.values.data() + begin, begin, end - begin, h.cols};
      // Only the part above the diagonal matters; whole bands of rows keep the products large.
      for (int64_t band = 0; band < begin; band += 4 * kBlock) {
        const int64_t rows = std::min(4 * kBlock, begin - band);
        const Strided c{h.values.data() + band * h.cols + band, rows, begin - band, h.cols};
        add_product(context, c, {panel.data + band * h.cols, rows, panel.cols, h.cols},
                    {panel.data + band * h.cols, begin - band, panel.cols, h.cols}, true, -1);
      }
    }
    end = begin;
  }
  for (int64_t i = 0; i < h.rows; ++i) std::fill(h.row(i), h.row(i) + i, 0.0f);
  return true;
}

// Orthonormal columns of the same span, of a [N, p] with small p. Two rounds of Gram-Schmidt keep them orthogonal to rounding.
void orthonormalize(Matrix& a) {
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::MatrixXd q = Eigen::Map<RowMajor>(a.values.data(), a.rows, a.cols).cast<double>();
  for (int round = 0; round < 2; ++round)
    for (int64_t j = 0; j < a.cols; ++j) {
      for (int64_t i = 0; i < j; ++i) q.col(j) -= q.col(i).dot(q.col(j)) * q.col(i);
      const double norm = q.col(j).norm();
      if (norm > 1e-30) q.col(j) /= norm;
      else q.col(j).setZero();
    }
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t c = 0; c < a.cols; ++c) a.row(r)[c] = static_cast<float>(q(r, c));
}

}  // namespace

Matrix upper_factor(Context& context, Matrix h, float damping) {
  NIBBLE_CHECK(h.rows == h.cols, "factor of {} x {}", h.rows, h.cols);
  double mean = 0;
  for (int64_t i = 0; i < h.rows; ++i) mean += h.row(i)[i];
  mean /= static_cast<double>(std::max<int64_t>(1, h.rows));
  if (!(mean > 0)) mean = 1;
  for (float d = damping;; d *= 10) {
    Matrix u = h;
    for (int64_t i = 0; i < u.rows; ++i) u.row(i)[i] += static_cast<float>(d * mean);
    if (factor(context, u)) return u;
    NIBBLE_CHECK(d < 1e6f, "second moments of a layer are not finite");
  }
}

LowRank truncated_svd(Context& context, const Matrix& a, int64_t rank, int power, uint64_t seed) {
  rank = std::min({rank, a.rows, a.cols});
  const int64_t p = std::min({rank + 8, a.rows, a.cols});
  std::mt19937_64 random(seed);
  Matrix omega(a.cols, p);
  // Sums of uniforms: Gaussian enough for a range finder, and the same on every platform.
  for (float& v : omega.values) {
    double sum = 0;
    for (int i = 0; i < 4; ++i) sum += static_cast<double>(random() >> 11) * 0x1p-53;
    v = static_cast<float>(sum - 2);
  }
  Matrix y = product_nn(context, a, omega);
  orthonormalize(y);
  for (int i = 0; i < power; ++i) {
    Matrix z = transposed(product_nn(context, transposed(y), a));  // a^T · y
    orthonormalize(z);
    y = product_nn(context, a, z);
    orthonormalize(y);
  }
  const Matrix b = product_nn(context, transposed(y), a);  // [p, K]
  const Matrix squares = gram(context, b);
  Eigen::MatrixXd g(p, p);
  for (int64_t i = 0; i < p; ++i)
    for (int64_t j = 0; j < p; ++j) g(i, j) = squares.row(i)[j];
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(g);
  Matrix rotation(p, rank);  // columns by falling eigenvalue
  for (int64_t j = 0; j < rank; ++j)
    for (int64_t i = 0; i < p; ++i) rotation.row(i)[j] = static_cast<float>(eigen.eigenvectors()(i, p - 1 - j));
  // left = y · rotation spans the left singular vectors; right = left^T · a carries the values, moved to the left below.
  LowRank out{product_nn(context, y, rotation), product_nn(context, transposed(rotation), b)};
  for (int64_t j = 0; j < rank; ++j) {
    double norm = 0;
    for (int64_t k = 0; k < a.cols; ++k) norm += static_cast<double>(out.right.row(j)[k]) * out.right.row(j)[k];
    norm = std::sqrt(norm);
    if (norm <= 0) continue;
    for (int64_t k = 0; k < a.cols; ++k) out.right.row(j)[k] = static_cast<float>(out.right.row(j)[k] / norm);
    for (int64_t i = 0; i < a.rows; ++i) out.left.row(i)[j] = static_cast<float>(out.left.row(i)[j] * norm);
  }
  return out;
}

}  // namespace nibble::quant
