// From the parameter names of the original Stable Diffusion code (and of OpenCLIP inside it) to those of diffusers and
// transformers. Which part lies under which prefix, and how a file is recognised, is one table.
#pragma once

#include <string>
#include <vector>

#include "models/names/named_tensors.h"

namespace nibble::models {

enum class Naming : uint8_t {
  AsStored,
  OriginalUNet,
  OriginalVae,
  OpenClip,          // all layers and the projection
  OpenClipLastLess,  // Stable Diffusion 2: without the last layer, whose output it never uses, and the projection
  OpenClipVision,    // the picture tower, after "visual."
  Clip,              // transformers' names, with or without "text_model."
  DiffusersUNet,
  DiffusersVae,  // including the older query/key/value/proj_attn
  TinyVae,       // AutoencoderTiny
  TinyEncoder,   // one half of a tiny autoencoder as published: numbered layers
  TinyDecoder,   // the same, numbered from the clamp of the latent on, which holds no tensors
};

// A part of a model and where a file keeps it.
struct PartPlace {
  const char* part;        // "unet", "vae", "text_encoder", "text_encoder_2"
  const char* class_name;  // as in model_index.json
  const char* prefix;      // of all its tensors
  const char* marker;      // a tensor that tells it is there, after the prefix
  Naming naming;
};

// The parts that the file holds in the original naming, or the one part that it holds alone; at most one place per
// part.
std::vector<PartPlace> find_parts(const WeightFile& file);

NamedTensors named_tensors(const WeightFile& file, const std::string& prefix, Naming naming);
NamedTensors named_tensors(const WeightFile& file, const std::string& prefix,
                           const std::string& class_name);  // diffusers' naming

}  // namespace nibble::models
