#include "tasks/quantize/calibration.h"

#include <algorithm>
#include <random>

#include "base/check.h"
#include "base/file.h"
#include "formats/safetensors_writer.h"
#include "pipelines/stages.h"
#include "pipelines/text_to_image.h"

namespace nibble {
namespace fs = std::filesystem;
namespace {

fs::path numbered(const fs::path& folder, int number) { return folder / fmt::format("{:04}.safetensors", number); }

GenerateRequest trajectory_request(const LoadedModel& model, const QuantizeRequest& request, const std::string& prompt,
                                   int index) {
  GenerateRequest g;
  g.prompt = prompt;
  g.syntax = PromptSyntax::Plain;
  g.width = g.height = calibration_side(model, request);
  g.steps = std::min(request.steps, model.defaults.steps < 10 ? model.defaults.steps : request.steps);
  g.seed = static_cast<int64_t>(request.seed) + index;
  g.guidance_mode = request.memory_limit > 0 ? GuidanceMode::Auto : GuidanceMode::Batched;
  g.memory_limit = request.memory_limit;
  return g;
}

// A pick as a file: the denoiser's input, its time and its prompt.
void write_pick(const fs::path& file, std::vector<float> input, const LatentShape& shape, float timestep,
                const Conditioning& conditioning, int64_t row) {
  std::vector<std::pair<std::string, Tensor>> tensors{
      {"input", Tensor::from(input, {shape.channels, shape.height, shape.width})},
      {"timestep", Tensor::from(std::vector<float>{timestep}, {1})},
      {"text", conditioning.text.rows(row, row + 1)}};
  if (!conditioning.pooled.empty()) tensors.emplace_back("pooled", conditioning.pooled.rows(row, row + 1));
  write_safetensors(file, tensors);
}

// Nothing after the last pick of a trajectory is asked for; one without picks serves the decoder alone.
int last_call(const std::vector<CalibrationPick>& picks, int trajectory, int calls) {
  int last = -1;
  for (const CalibrationPick& p : picks)
    if (p.prompt == trajectory) last = std::max(last, p.call);
  return last < 0 ? calls - 1 : last;
}

LatentShape latent_shape(const LoadedModel& model, const ResolvedRequest& resolved) {
  return {model.vae.latent_channels, resolved.height / model.vae.factor, resolved.width / model.vae.factor};
}

}  // namespace

int trajectory_count(const LoadedModel& model, const QuantizeRequest& request) {
  return request.trajectories > 0 ? request.trajectories : model.sdxl ? 4 : 8;
}

std::vector<int64_t> sample_indices(int64_t total, int64_t count, uint64_t seed) {
  std::vector<int64_t> all(static_cast<size_t>(total));
  for (int64_t i = 0; i < total; ++i) all[static_cast<size_t>(i)] = i;
  if (count >= total) return all;
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) std::swap(all[i], all[i + random() % (all.size() - i)]);
  all.resize(static_cast<size_t>(count));
  std::sort(all.begin(), all.end());
  return all;
}

int64_t calibration_side(const LoadedModel& model, const QuantizeRequest& request) {
  constexpr int64_t kLarge = 1024, kMiddle = 512, kMiddleSide = 384;
  const int64_t own = model.defaults.width;
  if (request.width > 0) return request.width;
  return own >= kLarge ? own / 2 : own >= kMiddle ? kMiddleSide : own;
}

bool is_large(const LoadedModel& model) {
  return model.source.find("unet") != nullptr && model.weight_bytes("unet") >= size_t{400} << 20;
}

void size_calibration(const LoadedModel& model, QuantizeRequest& request) {
  request.trajectories = trajectory_count(model, request);
  request.width = request.height = calibration_side(model, request);
  if (request.count == 0) request.count = is_large(model) ? 32 : 128;
  if (request.rows == 0) request.rows = is_large(model) ? 2048 : 8192;
  request.texts = static_cast<int>(calibration_texts(model, request).size());
}

int calibration_bands(int prompts, int calls, bool guided, int count) {
  const int branches = guided ? 2 : 1;
  for (int bands = prompts / 2; bands > 1; --bands) {
    const int least_calls = (prompts / bands) * (calls / bands) * branches, most_picks = (count + bands - 1) / bands;
    if (least_calls >= 2 * most_picks) return bands;
  }
  return 1;
}

std::vector<CalibrationPick> pick_calls(int prompts, int calls, bool guided, int count, uint64_t seed) {
  const int branches = guided ? 2 : 1, bands = calibration_bands(prompts, calls, guided, count);
  std::mt19937_64 random(seed);
  std::vector<CalibrationPick> picks;
  for (int band = 0; band < bands; ++band) {
    const auto part_of = [&](int whole, int b) { return whole * b / bands; };
    const int first_prompt = part_of(prompts, band), first_call = part_of(calls, band);
    const int band_calls = part_of(calls, band + 1) - first_call;
    std::vector<int> order(static_cast<size_t>((part_of(prompts, band + 1) - first_prompt) * band_calls * branches));
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
    const int asked = part_of(count, band + 1) - part_of(count, band);
    order.resize(std::min(order.size(), static_cast<size_t>(asked)));
    std::sort(order.begin(), order.end());
    for (const int i : order)
      picks.push_back({first_prompt + i / (band_calls * branches), first_call + i / branches % band_calls, i % branches == branches - 1});
  }
  return picks;
}

bool trajectories_end_early(const LoadedModel& model, const QuantizeRequest& request) {
  if (model.source.find("unet") == nullptr) return false;  // a decoder alone
  const ResolvedRequest resolved = resolve(model, trajectory_request(model, request, "", 0));
  return calibration_bands(trajectory_count(model, request), resolved.steps, resolved.guided, request.count) > 1;
}

void sample_calibration_inputs(Context& context, const LoadedModel& sampled, const std::vector<std::string>& prompts,
                               const QuantizeRequest& request, const fs::path& work) {
  const int trajectories = trajectory_count(sampled, request);
  const GenerateRequest first = trajectory_request(sampled, request, prompts[0], 0);
  const ResolvedRequest resolved = resolve(sampled, first);
  const LatentShape shape = latent_shape(sampled, resolved);
  const auto picks = pick_calls(trajectories, resolved.steps, resolved.guided, request.count, request.seed);
  fs::create_directories(work / "inputs");
  fs::create_directories(work / "latents");
  int64_t calls = 0, all_calls = 0;
  for (int t = 0; t < trajectories; ++t) all_calls += last_call(picks, t, resolved.steps) + 1;
  const QuietProgress quiet(context);
  for (int t = 0; t < trajectories; ++t) {
    const int last = last_call(picks, t, resolved.steps);
    const fs::path end = numbered(work / "latents", t);  // written last: its presence says that the trajectory is done
    if (fs::exists(end)) {
      calls += last + 1;
      continue;
    }
    const GenerateRequest g = trajectory_request(sampled, request, prompts[static_cast<size_t>(t)], t);
    std::vector<float> latent;
    GenerateCallbacks callbacks;
    const Conditioning* conditioning = nullptr;
    callbacks.on_conditioning = [&](const Conditioning& c) { conditioning = &c; };
    callbacks.on_input = [&](int, int call, std::span<const float> input, float timestep) {
      quiet.report("sample", calls++, all_calls);
      for (size_t i = 0; i < picks.size(); ++i)
        if (picks[i].prompt == t && picks[i].call == call)
          write_pick(numbered(work / "inputs", static_cast<int>(i)), {input.begin(), input.end()}, shape, timestep, *conditioning,
                     resolved.guided && picks[i].guided_branch ? 1 : 0);
    };
    callbacks.on_expected = [&](int, int call, std::span<const float> expected) {
      latent.assign(expected.begin(), expected.end());
      return call < last;
    };
    generate(context, sampled, g, callbacks);
    write_safetensors(end, {{"latent", Tensor::from(latent, {shape.channels, shape.height, shape.width})}});
  }
  quiet.report("sample", all_calls, all_calls);
}

bool calibration_sampled(const LoadedModel& model, const QuantizeRequest& request, const fs::path& work) {
  return fs::exists(numbered(work / "latents", trajectory_count(model, request) - 1));
}

}  // namespace nibble
