// Text-to-image and image-to-image: prompts -> conditioning -> the one denoise loop -> picture.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "pipelines/conditioning.h"
#include "pipelines/loaded_model.h"
#include "pipelines/request.h"

namespace nibble {

struct StageSeconds {
  double load = 0, text = 0, encode = 0, denoise = 0, decode = 0;
};

struct GeneratedImage {
  Image image;
  uint64_t seed = 0;
  int index = 0;
  std::string parameters;  // what went in, as AUTOMATIC1111 writes it into PNG files
  Json record;             // the same and the measured times as JSON
};

// The request with every default filled in, for messages and records.
struct ResolvedRequest {
  int64_t width, height;
  int steps;
  double guidance;
  bool guided;  // two predictions per step
  uint64_t seed;
  std::string sampler;  // the registry's name
};
// Throws Error{InvalidArgument} for sizes the model cannot draw and values out of range.
ResolvedRequest resolve(const LoadedModel& model, const GenerateRequest& request);

struct GenerateCallbacks {
  std::function<void(const Conditioning&)> on_conditioning;                    // once, as soon as the prompt is encoded
  std::function<void(const GeneratedImage&)> on_image;                         // each finished picture; empty: no decoding
  std::function<void(const Image&, int step, int steps)> on_preview;           // when preview_every is set
  // What the denoiser is asked at each model call of each picture: its input [channels, h, w] and the time.
  std::function<void(int picture, int call, std::span<const float> input, float timestep)> on_input;
  // The latent [channels, h, w] after each model call of each picture.
  std::function<void(int picture, int call, std::span<const float> latent)> on_step;
  // The final latent as each model call expects it; false makes it the final one and ends the picture there.
  std::function<bool(int picture, int call, std::span<const float> latent)> on_expected;
};

// Draws request.count pictures one after another; deterministic for a seed, whatever the thread count. Progress and cancel come
// from the context: stages "text", "encode", "denoise" (of all pictures), "decode". Throws Error.
void generate(Context& context, const LoadedModel& model, const GenerateRequest& request, const GenerateCallbacks& callbacks);

}  // namespace nibble
