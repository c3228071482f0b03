// A model source with its parts' configs read: what is needed before any weight is touched.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "models/clip/clip.h"
#include "models/names/model_source.h"
#include "models/unet/config.h"
#include "models/vae/vae.h"
#include "text/clip_tokenizer.h"

namespace nibble {

struct TextEncoderPart {
  std::string part;       // "text_encoder", "text_encoder_2"
  std::string tokenizer;  // "tokenizer", "tokenizer_2"
  models::ClipConfig config;
};

struct ModelDefaults {
  int64_t width, height;
  int steps;
  double guidance;
};

struct LoadedModel {
  std::string name;  // as the user gave it
  models::ModelSource source;
  models::UNetConfig unet;
  models::VaeConfig vae;
  Json scheduler;
  std::vector<TextEncoderPart> text_encoders;
  bool sdxl = false;                    // pooled text and sizes; penultimate layers
  bool zero_empty_negative = false;     // force_zeros_for_empty_prompt
  bool aesthetic_score = false;         // the refiner's fifth size
  std::optional<models::ModelSource> vae_source;  // --vae
  std::optional<models::ModelSource> vae_encoder_source;  // where it is a file of the decoder alone beside one of the encoder
  ModelDefaults defaults{};

  const models::ModelSource& vae_from() const { return vae_source ? *vae_source : source; }
  const models::ModelSource& encoder_from() const { return vae_encoder_source ? *vae_encoder_source : vae_from(); }
  ClipTokenizer tokenizer(size_t encoder) const;
  size_t weight_bytes(std::string_view part) const;
};

// `model` is a path or the name of a built-in model ("emoji"). Throws Error{NotFound, Corrupt, Unsupported} saying what the model
// is and what it lacks.
LoadedModel load_model(const std::string& model, const std::string& vae = {});

// `model` itself where such a file or folder exists, else the folder of the built-in model of this name. Throws Error{NotFound}.
std::filesystem::path model_path(const std::string& model);

// The folder of a built-in model: below $NIBBLE_MODELS, beside the program, or in the source tree. Nothing where absent.
std::optional<std::filesystem::path> builtin_model(const std::string& name);

}  // namespace nibble
