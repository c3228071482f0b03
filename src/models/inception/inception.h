// InceptionV3 of 2015 (Szegedy et al. 2015) as the Fréchet metrics know it: pytorch-fid's and torch-fidelity's weights, which have
// torchvision's names (Conv2d_1a_3x3.conv.weight, Mixed_5b.branch1x1.bn.running_mean, …, fc.weight [1008, 2048]). Differs from
// torchvision's network in three places: the average pools leave padding out, the last block pools by maximum, 1008 classes.
#pragma once

#include "models/plain_conv.h"

namespace nibble::models {

class InceptionV3 {
 public:
  static constexpr int64_t kSize = 299;

  // Batch norms are folded into the convolutions. Throws what Scope throws.
  explicit InceptionV3(const Scope& scope);

  // Means over positions, except the logits. Only what is used is computed.
  struct Features {
    Value low64, low192, mid768;    // [N, 64], [N, 192], [N, 768]
    Value pool2048;                 // [N, 2048], the features of FID and KID
    Value logits, logits_unbiased;  // [N, 1008]; without the classifier's bias for the Inception Score
  };
  // picture [N, 299, 299, 3] in [-1, 1] as the pipeline normalises it (or any size of at least 75).
  Features operator()(Value picture) const;

 private:
  struct Branch {
    std::vector<PlainConv> chain;
    std::vector<PlainConv> ends;  // side by side behind the chain, where there are any
  };
  enum class Pool { Average, Maximum, Halve };
  struct Block {
    std::string path;
    std::vector<Branch> branches;  // in order of concatenation, the pooled input last
    Pool pool;
    std::vector<PlainConv> projection;  // of the pooled input, at most one
    int64_t channels;                   // of the result
    Value operator()(Value x) const;
  };
  class Binder;

  std::vector<PlainConv> stem_;
  std::vector<Block> blocks_;  // Mixed_5b … Mixed_7c
  Parameter weight_, bias_;
};

}  // namespace nibble::models
