// What a model sees while it draws: denoiser inputs picked from whole trajectories, and what each layer reads for them.
// Everything is written to a work folder as it is made; a second call does only what is missing.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/context.h"
#include "formats/weight_file.h"
#include "pipelines/loaded_model.h"
#include "tasks/quantize/layers.h"
#include "tensor/tensor.h"

namespace nibble {

// One model call: which trajectory (prompt), which of its calls, and whether the prompt's branch or the empty one's.
struct CalibrationPick {
  int prompt, call;
  bool guided_branch;  // false: the negative prompt
};

// Few picks need no trajectory that is whole: the first trajectories serve the first band of calls and stop there, the
// last ones serve the last. The most bands of which each has at least two prompts and twice the calls that are picked in
// it; 1: every trajectory serves all calls.
int calibration_bands(int prompts, int calls, bool guided, int count);

// `count` different picks from `prompts` trajectories of `calls` calls, in order, as many in each band; the same for the
// same seed.
std::vector<CalibrationPick> pick_calls(int prompts, int calls, bool guided, int count, uint64_t seed);

// `count` different numbers below `total`, in order; all of them where there are no more.
std::vector<int64_t> sample_indices(int64_t total, int64_t count, uint64_t seed);

int trajectory_count(const LoadedModel& model, const QuantizeRequest& request);

// Whether the request's picks lie in more than one band.
bool trajectories_end_early(const LoadedModel& model, const QuantizeRequest& request);

// Denoisers whose calls take seconds: fewer of them are observed, and a quickly quantized copy draws the trajectories.
bool is_large(const LoadedModel& model);

// The prompt of each trajectory, drawn by the seed from the request's file (plain lines, a YAML list, or a data set
// that data/formats.h knows) or the project's own list for this model, in its order; again from the start where it is
// shorter. Throws Error{NotFound, Corrupt}.
std::vector<std::string> calibration_prompts(const LoadedModel& model, const QuantizeRequest& request);

// As many of the same list as the request's `texts`, each once.
std::vector<std::string> calibration_texts(const LoadedModel& model, const QuantizeRequest& request);

// Side of the pictures drawn for calibration. Layers see the same kinds of values at smaller sizes, so large models are sampled at half
// their size and middle ones at three quarters.
int64_t calibration_side(const LoadedModel& model, const QuantizeRequest& request);

// Fills in what the request leaves to the model: trajectories, inputs, rows and side; no more texts than there are.
void size_calibration(const LoadedModel& model, QuantizeRequest& request);

// Runs each trajectory with `sampled` (the model itself or a quickly quantized copy of it) as far as its last pick; afterwards
// `work`/inputs/NNNN.safetensors holds each picked denoiser input and `work`/latents/NNNN.safetensors the picture that the last
// call of each expected.
void sample_calibration_inputs(Context& context, const LoadedModel& sampled, const std::vector<std::string>& prompts,
                               const QuantizeRequest& request, const std::filesystem::path& work);

// Whether a run before has done all of that.
bool calibration_sampled(const LoadedModel& model, const QuantizeRequest& request, const std::filesystem::path& work);

// What one layer read over all picks.
struct LayerReadings {
  Tensor rows;         // bf16 [m, taps, k]: tokens, or pixels with the neighbours that the taps read
  Tensor image;        // i32 [m]: the reading each row is from
  Tensor channel_max;  // f32 [readings, k]: the largest magnitude of each input channel in a reading
};

// Runs the float model over the picked inputs (denoiser), texts (its keys and values of the text) and expected pictures
// (decoder) and writes `work`/readings/….
void observe_layers(Context& context, const LoadedModel& model, const std::vector<PlannedLayer>& layers,
                    const QuantizeRequest& request, const std::filesystem::path& work);

// The files that observe_layers() wrote, opened once.
class Readings {
 public:
  explicit Readings(const std::filesystem::path& work);
  LayerReadings of(const PlannedLayer& layer) const;  // empty tensors for a layer that was never run

 private:
  std::map<std::string, std::vector<WeightFile>> files_;  // by part
};

}  // namespace nibble
