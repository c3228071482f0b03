// An arm of an evaluation: one model at one precision, or a folder of pictures, beside the others.
//
//   [LABEL=]WHERE[@PRECISION[/OPTION]...]
//
// WHERE is a model (built-in name, folder, file) or a folder of pictures. PRECISION is f32 or bf16, for the arithmetic
// between layers, or one that `nibble quantize` knows; then the model is quantized first, into the report's folder, and
// OPTIONs are a method (rtn ... svdquant+gptq), r32 (rank), g64 (group), size=9MB (target), unet=, vae= and
// text=PRECISION or keep. Of every model: bf16 (arithmetic beside quantized layers), attention=int8 (form of the denoiser's
// attention), and affixed, which draws the prompts with their prefix and suffix.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "kernels/attention/form.h"
#include "tasks/quantize/request.h"
#include "tensor/dtype.h"

namespace nibble {

struct EvaluationArm {
  std::string text;   // as given
  std::string label;  // unique; names the arm's folder
  std::string where;
  DType arithmetic = DType::F32;
  AttentionForm attention = AttentionForm::Float;
  bool quantize = false, affixed = false, pictures = false;
  QuantizeRequest quantization;  // of an arm that is quantized first; model and out not yet set

  std::string recipe;            // what the model is made of: the text without label and what concerns drawing
};

// Throws Error{InvalidArgument} that says what an arm looks like.
EvaluationArm parse_arm(const std::string& text);

// All of them, labels made unique. Throws Error{InvalidArgument} for labels given twice and for none.
std::vector<EvaluationArm> parse_arms(const std::vector<std::string>& texts);

// "9MB", "1.5 GB" in bytes, powers of 1000.
size_t parse_size(const std::string& text);

}  // namespace nibble
