// From prompt and negative prompt to what the denoiser is conditioned on: text tokens, and for SDXL a pooled vector.
#pragma once

#include "base/context.h"
#include "pipelines/loaded_model.h"
#include "pipelines/request.h"

namespace nibble {

// Row 0 is the negative prompt, row 1 the prompt; only the prompt where guidance is off.
struct Conditioning {
  Tensor text;    // f32 [rows, tokens, width of all encoders]
  Tensor pooled;  // f32 [rows, projection]; empty without SDXL
  std::string cut;  // what plain syntax had to cut from the prompt
};

// Loads tokenizers and text encoders, runs them, releases them.
Conditioning encode_prompts(Context& context, const LoadedModel& model, const GenerateRequest& request, bool guided);

// A row a text, plain syntax. Throws as check_memory() where the limit, if any, is too small.
Conditioning encode_texts(Context& context, const LoadedModel& model, const std::vector<std::string>& texts, size_t memory_limit = 0);

// Throws Error{OutOfMemory} with both figures and the remedies when `stage` needs more than the request's limit.
void check_memory(const GenerateRequest& request, const char* stage, size_t bytes);

// f32 [rows, 6] = original height, width, crop top, left, target height, width; the refiner's [rows, 5] ends with its score.
Tensor size_conditioning(const LoadedModel& model, int64_t width, int64_t height, bool guided);

// LCM (Luo et al. 2023): sinusoidal embedding of the guidance scale, f32 [1, width].
Tensor guidance_embedding(double guidance, int64_t width);

}  // namespace nibble
