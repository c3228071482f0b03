#include <cmath>

#include "quant/factor.h"
#include "quant/rounding.h"

namespace nibble::quant {
namespace {

// Root mean square of each column, at least a little of the mean: the weight an error in that column has in the output.
std::vector<float> column_weights(const Matrix& rows) {
  std::vector<double> sums(static_cast<size_t>(rows.cols), 0.0);
  for (int64_t r = 0; r < rows.rows; ++r)
    for (int64_t c = 0; c < rows.cols; ++c) sums[static_cast<size_t>(c)] += static_cast<double>(rows.row(r)[c]) * rows.row(r)[c];
  double mean = 0;
  for (double& s : sums) s = std::sqrt(s / static_cast<double>(std::max<int64_t>(1, rows.rows))), mean += s;
  mean /= static_cast<double>(sums.size());
  std::vector<float> out;
  for (const double s : sums) out.push_back(static_cast<float>(mean > 0 ? s + 0.05 * mean : 1.0));
  return out;
}

LowRank weighted_svd(Context& context, Matrix a, const std::vector<float>& columns, int64_t rank, uint64_t seed) {
  each_row(context, a.rows, [&](int64_t r) {
    for (int64_t c = 0; c < a.cols; ++c) a.row(r)[c] *= columns[static_cast<size_t>(c)];
  });
  LowRank out = truncated_svd(context, a, rank, 2, seed);
  for (int64_t r = 0; r < out.right.rows; ++r)
    for (int64_t c = 0; c < a.cols; ++c) out.right.row(r)[c] /= columns[static_cast<size_t>(c)];
  return out;
}

}  // namespace

Branch find_branch(Context& context, const Matrix& weight, const QuantShape& shape, Executed form, const Matrix& rows, int64_t rank,
                   int rounds, uint64_t seed) {
  const std::vector<float> columns = column_weights(rows);
  Branch best;
  Matrix rounded(weight.rows, weight.cols);  // Q(W - L) of the round before; nothing at first
  double least = 0;
  for (int round = 0; round <= rounds; ++round) {
    const LowRank l = weighted_svd(context, minus(context, weight, rounded), columns, rank, seed);
    const Matrix rest = minus(context, weight, product_nn(context, l.left, l.right));
    rounded = executed_matrix(context, round_to_nearest(context, rest, shape), form);
    const Matrix difference = product_nt(context, rows, minus(context, rest, rounded));
    double error = 0;
    for (const float v : difference.values) error += static_cast<double>(v) * v;
    best.errors.push_back(error);
    if (round > 0 && error >= least) break;
    least = error;
    best.up = l.left, best.down = l.right;
  }
  return best;
}

}  // namespace nibble::quant
