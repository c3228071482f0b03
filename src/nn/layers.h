// The layers networks are made of. Each binds its parameters when constructed and records ops when called; results carry the
// layer's path as their name. Data is channels last: images [N, H, W, C], tokens [N, L, C].
#pragma once

#include "nn/quantized.h"
#include "nn/scope.h"

namespace nibble::nn {

enum class Activation { Silu, Gelu, GeluTanh, QuickGelu, Relu };

// "silu", "swish", "gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu". Throws Error{Unsupported} naming `where`.
Activation activation_from_name(const std::string& name, const std::string& where);
Value activate(Value x, Activation activation);

// Linear and Conv2d own their storage format: a plain weight, or a quantized one where the source holds a record of it.
class Linear {  // weight [out, in], bias [out]
 public:
  Linear() = default;
  Linear(const Scope& scope, int64_t in, int64_t out, bool bias = true);
  Value operator()(Value x) const;

 private:
  std::string path_;
  std::optional<QuantizedLayer> quantized_;
  Parameter weight_, bias_;
};

class Conv2d {  // weight [out, in, k, k], bias [out]
 public:
  Conv2d() = default;
  // Padding (k - 1) / 2 on all sides, or only `bottom_right` by one (the VAE's downsampling).
  Conv2d(const Scope& scope, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, bool bias = true,
         bool bottom_right = false);
  Value operator()(Value x) const;

 private:
  std::string path_;
  std::optional<QuantizedLayer> quantized_;
  Parameter weight_, bias_;
  int64_t kernel_ = 1, stride_ = 1;
  bool bottom_right_ = false;
};

class GroupNorm {  // weight, bias [channels]
 public:
  GroupNorm() = default;
  GroupNorm(const Scope& scope, int64_t channels, int64_t groups, float eps);
  Value operator()(Value x) const;

 private:
  std::string path_;
  Parameter weight_, bias_;
  int64_t groups_ = 1;
  float eps_ = 0;
};

class LayerNorm {  // weight, bias [width]
 public:
  LayerNorm() = default;
  LayerNorm(const Scope& scope, int64_t width, float eps);
  Value operator()(Value x) const;

 private:
  std::string path_;
  Parameter weight_, bias_;
  float eps_ = 0;
};

class Embedding {  // weight [entries, width]
 public:
  Embedding() = default;
  Embedding(const Scope& scope, int64_t entries, int64_t width);
  Value operator()(Value ids, DType dtype) const;
  const Parameter& weight() const { return weight_; }

 private:
  Parameter weight_;
};

}  // namespace nibble::nn
