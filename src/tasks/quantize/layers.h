// Which layers of a model are quantized, and how: the built-in choice by name, changed by the request's rules.
#pragma once

#include <string>
#include <vector>

#include "models/names/model_source.h"
#include "tasks/quantize/request.h"

namespace nibble {

struct PlannedLayer {
  std::string part, path;  // "unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
  QuantShape shape;
  int64_t kernel_h = 1, kernel_w = 1;
  ActivationKind activation = ActivationKind::Int8;
  int64_t rank = 0, max_rank = 0;  // of the branch, where the method has one; the most that is worth its bytes
  std::string variant;        // what a byte budget changed ("-rank16", "-int8"), part of the solved file's name
  bool after_silu = false;    // its input is bounded below by SiLU's minimum
  bool reads_text = false;    // keys and values of the prompt
  std::string input_group;    // layers with the same non-empty name read the same input
  size_t solved_with = 0;     // the same number for layers that are solved together
  std::string shares_down;    // the name of the layer whose `down` this one's branch reads; empty: its own

  std::string name() const { return part + "." + path; }
};

// In the order of the parts and of their tensors' names. Layers that stay as they are do not appear.
// Throws Error{InvalidArgument} for a rule that matches nothing.
std::vector<PlannedLayer> plan_layers(const models::ModelSource& source, const QuantizeRequest& request);

// Numbers of the layers that are solved together, as they read the same input and were planned alike; every layer is in
// one list, alone or not. A byte budget changes all of a list in the same way.
std::vector<std::vector<size_t>> solved_together(const std::vector<PlannedLayer>& layers);

}  // namespace nibble
