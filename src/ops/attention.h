// Softmax and scaled dot-product attention.
#pragma once

#include "graph/graph.h"
#include "kernels/attention/form.h"

namespace nibble::ops {

Value softmax(Value x);  // over the last axis

struct AttentionOptions {
  int64_t heads = 1;
  float scale = 0;      // 0: 1 / sqrt(head dimension)
  bool causal = false;
  AttentionForm form = AttentionForm::Float;
};

// q [N, Lq, heads·d], k and v [N, Lk, heads·d] -> [N, Lq, heads·d] = softmax(q k^T · scale + bias) v per head, flash style.
// bias f32 is empty or broadcasts to [N, heads, Lq, Lk] with dimensions of 1.
Value attention(Value q, Value k, Value v, const AttentionOptions& options, Value bias = {});

// For record_replaced(): an attention in this form, null for every other op. The gradient stays that of the float form.
std::shared_ptr<const Op> attention_in_form(const Op& op, AttentionForm form);

}  // namespace nibble::ops
