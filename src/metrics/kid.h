// Kernel Inception Distance (Bińkowski et al. 2018): the unbiased squared maximum mean discrepancy of two sets of features with
// the kernel (x·y/d + 1)³, mean and deviation over random subsets. Has no bias in the number of pictures.
#pragma once

#include <string_view>

#include "base/context.h"
#include "tensor/tensor.h"

namespace nibble {

// Features [n, d], F32 or F64; sums in float64. Throws Error{InvalidArgument} for different d, or n < 2.
double polynomial_mmd(const Tensor& a, const Tensor& b);

// Whose subsets: the numbers of one tool are only reproduced by its own.
//   TorchFidelity  numpy's RandomState(seed), seed 2020; for each subset first of a, then of b. clean-fid draws the same way from an
//                  unseeded state, the second set first.
//   TorchMetrics   torch.randperm of a generator with the seed, first of a, then of b
enum class KidSubsets { TorchFidelity, TorchMetrics };

struct KidOptions {
  KidSubsets choice = KidSubsets::TorchFidelity;
  int64_t subsets = 100, size = 1000;
  uint64_t seed = 2020;
};

struct Kid {
  double mean = 0, deviation = 0;  // over the subsets, ddof 0
  int64_t subsets = 0, size = 0;
};

// Reports progress as "kid"; cancellable. Throws Error{InvalidArgument} as polynomial_mmd and where a set is smaller than a subset.
Kid kernel_inception_distance(Context& context, const Tensor& a, const Tensor& b, const KidOptions& options = {});

}  // namespace nibble
