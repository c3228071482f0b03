#include "models/clip/clip_layer.h"

#include "ops/attention.h"
#include "ops/basic.h"

namespace nibble::models {

ClipLayer::ClipLayer(const Scope& s, const Options& o)
    : path_(s.path()),
      options_(o),
      layer_norm1(s / "layer_norm1", o.width, o.eps),
      layer_norm2(s / "layer_norm2", o.width, o.eps),
      q_proj(s / "self_attn" / "q_proj", o.width, o.width),
      k_proj(s / "self_attn" / "k_proj", o.width, o.width),
      v_proj(s / "self_attn" / "v_proj", o.width, o.width),
      out_proj(s / "self_attn" / "out_proj", o.width, o.width),
      fc1(s / "mlp" / "fc1", o.width, o.mlp_width),
      fc2(s / "mlp" / "fc2", o.mlp_width, o.width) {}

Value ClipLayer::operator()(Value x) const {
  Graph& g = x.graph();
  Value h = layer_norm1(x);
  h = ops::attention(q_proj(h), k_proj(h), v_proj(h), {.heads = options_.heads, .causal = options_.causal});
  x = ops::add(g.label(out_proj(h), path_ + ".self_attn"), x);
  h = fc2(nn::activate(fc1(layer_norm2(x)), options_.activation));
  return g.label(ops::add(g.label(h, path_ + ".mlp"), x), path_);
}

}  // namespace nibble::models
