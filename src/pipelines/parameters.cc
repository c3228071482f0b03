#include "pipelines/parameters.h"

namespace nibble {
namespace {

std::string sampler_title(const LoadedModel& model, const GenerateRequest& request) {
  return find_sampler(request.sampler, model.scheduler).info->title;
}

std::string model_title(const LoadedModel& model) {
  const std::filesystem::path path = std::filesystem::path(model.name).lexically_normal();
  const std::filesystem::path last = path.has_filename() ? path : path.parent_path();
  return std::filesystem::is_directory(last) ? last.filename().string() : last.stem().string();
}

}  // namespace

std::string parameters_text(const LoadedModel& model, const GenerateRequest& request, const ResolvedRequest& r, uint64_t seed) {
  std::string text = request.prompt + "\n";
  if (request.negative_prompt && !request.negative_prompt->empty()) text += "Negative prompt: " + *request.negative_prompt + "\n";
  text += format("Steps: {}, Sampler: {}, CFG scale: {:g}, Seed: {}, Size: {}x{}, Model: {}", r.steps, sampler_title(model, request),
                 r.guidance, seed, r.width, r.height, model_title(model));
  if (request.clip_skip > 0) text += format(", Clip skip: {}", request.clip_skip + 1);
  if (request.init) text += format(", Denoising strength: {:g}", request.strength);
  return text + ", Version: nibble";
}

Json parameters_record(const LoadedModel& model, const GenerateRequest& request, const ResolvedRequest& r, uint64_t seed) {
  Json json = {{"prompt", request.prompt},
               {"negative_prompt", request.negative_prompt.value_or("")},
               {"prompt_syntax", to_string(request.syntax)},
               {"model", model.name},
               {"family", models::to_string(model.source.family)},
               {"sampler", r.sampler},
               {"steps", r.steps},
               {"guidance", r.guidance},
               {"guidance_rescale", request.guidance_rescale},
               {"clip_skip", request.clip_skip},
               {"width", r.width},
               {"height", r.height},
               {"seed", seed},
               {"precision", to_string(request.precision)},
               {"attention", std::string(to_string(request.attention))}};
  if (request.init) json["strength"] = request.strength;
  return json;
}

}  // namespace nibble
