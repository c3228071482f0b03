// From the input of a quantized layer to what its kernels read: norm, smoothing, codes, scales and sums, and the
// branch's h = down · x, a few rows at a time while they are in the cache (Li et al., SVDQuant, section 4.3).
#pragma once

#include "kernels/quantize/quantize.h"
#include "ops/norm.h"
#include "tensor/quant_format.h"

namespace nibble::ops {

// What the pass does. Two layers whose forms and operands are equal read the same rows.
struct InputForm {
  int64_t k = 0;
  ActivationKind activation = ActivationKind::Int8;  // Float: no codes, h alone
  float shift = 0;
  int64_t rank = 0;          // of h; 0: none
  bool image_scale = false;  // Int8: one scale an image, not one a row
  bool smoothed = false;
  std::optional<GroupNormSettings> group_norm = {};  // in front of everything
  std::optional<LayerNormSettings> layer_norm = {};
  bool operator==(const InputForm&) const = default;

  bool normed() const { return group_norm || layer_norm; }
  int64_t padded_k() const { return QuantShape{0, 1, k}.padded_k(); }
  int64_t scales_per_row() const {
    return activation == ActivationKind::Int4 ? (padded_k() + kActivationGroup - 1) / kActivationGroup : 1;
  }
  int64_t sums_per_row() const { return activation == ActivationKind::Int4 ? padded_k() / 32 : 1; }
};

struct InputExtent {
  int64_t rows, images;  // rows of one image share a scale or a group norm
  DType dtype;           // F32 or BF16
};

struct InputOperands {
  const void* x;             // [rows, k]
  const float* input_scale;  // [k] or null
  const float *gamma, *beta;
  const void* down;  // [rank, k]
  DType down_dtype;
};

// Where the results go; those that the form does not make may be null.
struct InputRows {
  int8_t* codes;  // [rows, padded_k]
  float* scales;  // [rows, scales_per_row], or [images]
  int32_t* sums;  // [rows, sums_per_row]
  void* h;        // [rows, rank], rounded to the input's type; of branch_dtype
  void* normed;   // [rows, k] the normalized input, where somebody wants it
};

// As the layer's kernel reads h: the input's type where the activation is Float.
DType branch_dtype(const Context& context, ActivationKind activation, DType dtype);

// The results in one piece of memory; offsets in bytes.
struct InputPlaces {
  size_t codes, scales, sums, h, total;
  InputRows in(void* memory) const;
};
InputPlaces input_places(const InputForm& form, const InputExtent& extent);

size_t input_pass_scratch(const Context& context, const InputForm& form, const InputExtent& extent);
void run_input_pass(Context& context, const InputForm& form, const InputExtent& extent, const InputOperands& operands,
                    const InputRows& to, std::byte* scratch);

}  // namespace nibble::ops
