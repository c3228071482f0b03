// What went into a picture, in words that other tools read and as JSON.
#pragma once

#include "pipelines/text_to_image.h"

namespace nibble {

// AUTOMATIC1111's "parameters" text: prompt, "Negative prompt: …", "Steps: …, Sampler: …, CFG scale: …, Seed: …, Size: …".
std::string parameters_text(const LoadedModel& model, const GenerateRequest& request, const ResolvedRequest& resolved, uint64_t seed);
Json parameters_record(const LoadedModel& model, const GenerateRequest& request, const ResolvedRequest& resolved, uint64_t seed);

}  // namespace nibble
