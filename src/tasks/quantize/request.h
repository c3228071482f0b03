// What a person asks of `nibble quantize`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tensor/quant_format.h"

namespace nibble {

// "w4a8": how weights are stored and what multiplies them.
struct Precision {
  const char* name;
  WeightKind weights;
  ActivationKind activations;
};

// w8a8, w8a16, w4a16, w4a8, w4a4. Throws Error{InvalidArgument} listing them.
const Precision& precision_from_name(const std::string& name);
std::vector<std::string> precision_names();

// Layers whose "<part>.<path>" matches the glob pattern get this precision, or stay as they are ("keep").
struct PrecisionRule {
  std::string pattern, precision;
};

struct QuantizeRequest {
  std::string model;
  std::filesystem::path out;
  std::string method = "svdquant+gptq";
  std::string precision = "w4a8";    // of the denoiser
  std::string vae = "w8a8";          // of the decoder, or "keep"
  std::string text_encoder = "w8a16";  // or "keep"
  int64_t group = 64;                // of int4 weights: 32, 64, 128
  int64_t rank = 32;                 // of the low-rank branch
  std::vector<PrecisionRule> rules;  // the last match wins, over the built-in choice
  size_t target_bytes = 0;           // of the whole file; 0: as the precision gives it

  std::filesystem::path calibration;  // a prompt list; empty: the project's own
  int trajectories = 0;               // prompts sampled, each as far as its last pick; 0: 8 (SDXL 4)
  int steps = 20;
  int count = 0;                      // (prompt, step, branch) inputs kept; 0: 128 (denoisers above 400 MB 32)
  int64_t rows = 0;                   // tokens or pixels kept of each layer, over all inputs; 0: 8192 (above 400 MB 2048)
  int texts = 128;                    // prompts whose text the keys and values of the text are solved on besides
  int64_t width = 0, height = 0;      // of the sampled pictures; 0: the model's own
  uint64_t seed = 0;
  size_t memory_limit = 0;            // bytes; 0: none

  std::filesystem::path work;         // what a later run resumes from; empty: `out` + ".work"
  bool keep_work = false;
};

}  // namespace nibble
