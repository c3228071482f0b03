// Inception Score (Salimans et al. 2016) of the 2015 network's logits: exp of the mean divergence of a picture's class
// probabilities from those of its split. Says nothing about prompts; reported because older tables have it.
#pragma once

#include "tensor/tensor.h"

namespace nibble {

struct InceptionScoreOptions {
  int64_t splits = 10;
  bool shuffle = true;  // as torch-fidelity: by numpy's RandomState(seed)
  uint64_t seed = 2020;
};

struct InceptionScore {
  double mean = 0, deviation = 0;  // over the splits, ddof 0
  int64_t splits = 0;
};

// logits [n, classes] F32, without the classifier's bias (torch-fidelity's logits_unbiased); split i holds the pictures from
// i n / splits on. In float64. Throws Error{InvalidArgument} for fewer pictures than splits.
InceptionScore inception_score(const Tensor& logits, const InceptionScoreOptions& options = {});

}  // namespace nibble
