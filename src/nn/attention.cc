#include "nn/attention.h"

#include "ops/attention.h"
#include "ops/basic.h"

namespace nibble::nn {

Attention::Attention(const Scope& s, const Options& o)
    : path_(s.path()),
      heads_(o.heads),
      to_q(s / "to_q", o.width, o.width, o.qkv_bias),
      to_k(s / "to_k", o.context_width, o.width, o.qkv_bias),
      to_v(s / "to_v", o.context_width, o.width, o.qkv_bias),
      to_out(s / "to_out" / 0, o.width, o.width) {}

Value Attention::operator()(Value x, Value context) const {
  const Value y = to_out(ops::attention(to_q(x), to_k(context), to_v(context), {.heads = heads_}));
  return x.graph().label(y, path_);
}

FeedForward::FeedForward(const Scope& s, int64_t width)
    : path_(s.path()), proj(s / "net" / 0 / "proj", width, 8 * width), out(s / "net" / 2, 4 * width, width) {}

Value FeedForward::operator()(Value x) const { return x.graph().label(out(ops::geglu(proj(x))), path_); }

BasicTransformerBlock::BasicTransformerBlock(const Scope& s, int64_t width, int64_t context_width, int64_t heads)
    : path_(s.path()),
      norm1(s / "norm1", width, 1e-5f),
      norm2(s / "norm2", width, 1e-5f),
      norm3(s / "norm3", width, 1e-5f),
      attn1(s / "attn1", {width, width, heads}),
      attn2(s / "attn2", {width, context_width, heads}),
      ff(s / "ff", width) {}

Value BasicTransformerBlock::operator()(Value x, Value context) const {
  const Value h = norm1(x);
  x = ops::add(attn1(h, h), x);
  x = ops::add(attn2(norm2(x), context), x);
  x = ops::add(ff(norm3(x)), x);
  return x.graph().label(x, path_);
}

}  // namespace nibble::nn
