// The two factorizations behind the quantizers.
#pragma once

#include "quant/matrix.h"

namespace nibble::quant {

// H = U · U^T with U upper triangular (a Cholesky factorization from the last row up). H symmetric [K, K]; `damping` times its mean
// diagonal is added, ten times more with every try that is not positive definite. Returns U.
Matrix upper_factor(Context& context, Matrix h, float damping);

// The best rank-r approximation of a [N, K] as left [N, r] · right [r, K], singular values in `left`; by a random range finder
// (Halko, Martinsson, Tropp 2011, algorithm 4.4: oversampling 8, `power` power iterations), deterministic for a seed.
struct LowRank {
  Matrix left, right;
};
LowRank truncated_svd(Context& context, const Matrix& a, int64_t rank, int power = 2, uint64_t seed = 0);

}  // namespace nibble::quant
