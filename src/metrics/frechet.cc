#include "metrics/frechet.h"

#include <cmath>

#include "base/eigen.h"
#include "base/error.h"

namespace nibble {
namespace {

using Matrix = Eigen::MatrixXd;
using Columns = Eigen::Index;

Matrix matrix_of(const FeatureGaussian& g) {
  return Eigen::Map<const Matrix>(g.sigma.data(), static_cast<Columns>(g.width()), static_cast<Columns>(g.width()));
}

// F [d, r] with F Fᵀ = sigma, r <= `most`: what lies below the round-off of the largest pivot is no rank.
Matrix factor_of(const Matrix& sigma, int64_t most) {
  if (most >= sigma.rows()) {
    const Eigen::LLT<Matrix> plain(sigma);
    if (plain.info() == Eigen::Success) return plain.matrixL();
  }
  const Eigen::LDLT<Matrix> pivoted(sigma);
  const Eigen::VectorXd pivots = pivoted.vectorD();
  const double least = std::max(0.0, pivots.maxCoeff()) * static_cast<double>(sigma.rows()) * 0x1p-52;
  std::vector<Columns> kept;
  for (Columns i = 0; i < pivots.size() && static_cast<int64_t>(kept.size()) < most; ++i)
    if (pivots[i] > least) kept.push_back(i);
  const Matrix lower = pivoted.matrixL();
  Matrix factor(sigma.rows(), static_cast<Columns>(kept.size()));
  for (size_t i = 0; i < kept.size(); ++i) factor.col(static_cast<Columns>(i)) = lower.col(kept[i]) * std::sqrt(pivots[kept[i]]);
  return pivoted.transpositionsP().transpose() * factor;
}

// a · b, the columns shared among the threads.
Matrix product(Context& context, const Matrix& a, const Matrix& b) {
  Matrix out(a.rows(), b.cols());
  context.threads.run(b.cols(), 16, [&](int64_t begin, int64_t end, int) {
    out.middleCols(begin, end - begin).noalias() = a * b.middleCols(begin, end - begin);
  });
  return out;
}

int64_t largest_rank(const FeatureGaussian& g) { return g.count > 0 ? std::min(g.count - 1, g.width()) : g.width(); }

void check(const FeatureGaussian& g) {
  for (const std::vector<double>* values : {&g.mean, &g.sigma})
    for (const double v : *values)
      if (!std::isfinite(v)) fail(ErrorCode::InvalidArgument, "Fréchet distance: a mean or covariance is not finite; the features are damaged");
}

}  // namespace

FrechetDistance frechet_distance(Context& context, const FeatureGaussian& a, const FeatureGaussian& b) {
  if (a.width() != b.width())
    fail(ErrorCode::InvalidArgument, "Fréchet distance: want features of one width found {} and {}; they are of different networks", a.width(),
         b.width());
  check(a), check(b);
  FrechetDistance d;
  for (size_t i = 0; i < a.mean.size(); ++i) d.mean_term += (a.mean[i] - b.mean[i]) * (a.mean[i] - b.mean[i]);
  const Matrix sigma_a = matrix_of(a), sigma_b = matrix_of(b);
  d.trace_a = sigma_a.trace();
  d.trace_b = sigma_b.trace();
  const bool a_first = largest_rank(a) <= largest_rank(b);
  const Matrix factor = a_first ? factor_of(sigma_a, largest_rank(a)) : factor_of(sigma_b, largest_rank(b));
  if (factor.cols() > 0) {
    const Matrix between = product(context, factor.transpose(), product(context, a_first ? sigma_b : sigma_a, factor));
    const Eigen::SelfAdjointEigenSolver<Matrix> eigen(between, Eigen::EigenvaluesOnly);
    for (const double value : eigen.eigenvalues()) d.trace_root += std::sqrt(std::max(0.0, value));
  }
  d.value = d.mean_term + d.trace_a + d.trace_b - 2 * d.trace_root;
  return d;
}

double extrapolated_distance(const std::function<double(int64_t)>& distance_of, int64_t smallest, int64_t largest, int64_t points) {
  if (points < 2 || smallest < 2 || largest <= smallest)
    fail(ErrorCode::InvalidArgument, "extrapolated distance: want at least 2 sizes from at least 2 pictures on, found {} from {} to {}", points,
         smallest, largest);
  double x = 0, y = 0, xx = 0, xy = 0;
  for (int64_t i = 0; i < points; ++i) {
    const int64_t n = smallest + (largest - smallest) * i / (points - 1);
    const double at = 1 / static_cast<double>(n), distance = distance_of(n);
    x += at, y += distance, xx += at * at, xy += at * distance;
  }
  const double count = static_cast<double>(points), slope = (count * xy - x * y) / (count * xx - x * x);
  return (y - slope * x) / count;
}

}  // namespace nibble
