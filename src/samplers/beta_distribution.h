// Quantiles of the beta distribution, for the beta schedule of noise levels.
#pragma once

namespace nibble {

// x in [0, 1] with regularized incomplete beta I_x(a, b) = p, to about 1e-14. a, b > 0; p in [0, 1].
double beta_quantile(double p, double a, double b);

}  // namespace nibble
