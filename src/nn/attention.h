// Multi-head attention and feed-forward blocks as diffusers' networks name them.
#pragma once

#include "nn/layers.h"

namespace nibble::nn {

// to_q, to_k, to_v, to_out.0. Queries from x, keys and values from `context` (x itself for self-attention).
class Attention {
 public:
  struct Options {
    int64_t width;          // of x and of the result
    int64_t context_width;  // of the context
    int64_t heads;
    bool qkv_bias = false;
  };
  Attention() = default;
  Attention(const Scope& scope, const Options& options);
  Value operator()(Value x, Value context) const;

 private:
  std::string path_;
  int64_t heads_ = 1;
  Linear to_q, to_k, to_v, to_out;
};

// net.0.proj (GEGLU), net.2.
class FeedForward {
 public:
  FeedForward() = default;
  FeedForward(const Scope& scope, int64_t width);
  Value operator()(Value x) const;

 private:
  std::string path_;
  Linear proj, out;
};

// attn1 (self), attn2 (text), ff, each behind a layer norm (norm1, norm2, norm3).
class BasicTransformerBlock {
 public:
  BasicTransformerBlock(const Scope& scope, int64_t width, int64_t context_width, int64_t heads);
  Value operator()(Value x, Value context) const;

 private:
  std::string path_;
  LayerNorm norm1, norm2, norm3;
  Attention attn1, attn2;
  FeedForward ff;
};

}  // namespace nibble::nn
