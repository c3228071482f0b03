// Any model source as one file: all parts, configs and tokenizers in one safetensors, in 16-bit floats.
#pragma once

#include <filesystem>

#include "base/context.h"
#include "models/names/model_source.h"

namespace nibble {

// Writes `out` (to a temporary that is renamed). Tensors keep their names, "<part>.<diffusers name>", and become `dtype` (F16, BF16
// or F32); integer tensors stay. Works tensor by tensor: the peak is one tensor. Progress stage "convert". Same input, same bytes.
// Throws Error{Unsupported} for a source without a known family, Error{Io}.
void convert_model(Context& context, const models::ModelSource& source, DType dtype, const std::filesystem::path& out);

// The metadata of a one-file model: family, configs, tokenizers.
Metadata one_file_metadata(const models::ModelSource& source);

}  // namespace nibble
