// Layer readings: a plan without fusions calls back before each layer; a seeded sample of what it reads is kept.
#include <algorithm>
#include <map>

#include "base/check.h"
#include "formats/safetensors_writer.h"
#include "pipelines/stages.h"
#include "pipelines/text_to_image.h"
#include "tasks/quantize/calibration.h"

namespace nibble {
namespace fs = std::filesystem;
namespace {

// Layers that read the same values share one record.
std::string record_name(const PlannedLayer& layer) {
  if (layer.reads_text) return "text";
  return layer.input_group.empty() ? layer.path : layer.input_group;
}

uint64_t hash(std::string_view text) {  // FNV-1a
  uint64_t h = 14695981039346656037ull;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return h;
}

float value_at(const TensorRef& x, int64_t i) {
  return x.type.dtype == DType::F32 ? x.as<const float>()[i] : to_float(x.as<const BFloat16>()[i]);
}

Tensor channel_maxima(const TensorRef& x, int64_t k) {
  Tensor out = Tensor::zeros(DType::F32, {k});
  const auto maxima = out.mutable_values<float>();
  const int64_t rows = x.type.shape.count() / k;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < k; ++c) {
      float& m = maxima[static_cast<size_t>(c)];
      m = std::max(m, std::abs(value_at(x, r * k + c)));
    }
  return out;
}

Tensor text_rows(const TensorRef& text, int64_t count, uint64_t seed) {
  const int64_t k = text.type.shape[-1];
  const std::vector<int64_t> rows = sample_indices(text.type.shape.count() / k, count, seed);
  Tensor result = Tensor::zeros(DType::BF16, {static_cast<int64_t>(rows.size()), 1, k});
  BFloat16* to = static_cast<BFloat16*>(result.mutable_data());
  for (const int64_t row : rows)
    for (int64_t c = 0; c < k; ++c) *to++ = to_bf16(value_at(text, row * k + c));
  return result;
}

// Rows of tokens, or of pixels with the neighbours their taps read (zero outside), as bf16 [count, taps, k].
Tensor sample_rows(const Plan::Reading& reading, const PlannedLayer& layer, int64_t count, uint64_t seed) {
  const TensorRef& x = reading.in[0];
  const Shape &in = x.type.shape, &out = reading.out.shape;
  const int64_t k = layer.shape.k, taps = layer.shape.taps;
  const std::vector<int64_t> rows = sample_indices(out.count() / out[-1], count, seed);
  Tensor result = Tensor::zeros(DType::BF16, {static_cast<int64_t>(rows.size()), taps, k});
  BFloat16* to = static_cast<BFloat16*>(result.mutable_data());
  const bool image = in.rank() == 4;
  const int64_t stride = image ? (in[1] + out[1] - 1) / out[1] : 1, pad_y = (layer.kernel_h - 1) / 2, pad_x = (layer.kernel_w - 1) / 2;
  for (const int64_t row : rows) {
    const int64_t n = image ? row / (out[1] * out[2]) : 0, y = image ? row / out[2] % out[1] : 0, px = image ? row % out[2] : row;
    for (int64_t tap = 0; tap < taps; ++tap, to += k) {
      const int64_t sy = image ? y * stride + tap / layer.kernel_w - pad_y : 0, sx = image ? px * stride + tap % layer.kernel_w - pad_x : row;
      if (image && (sy < 0 || sy >= in[1] || sx < 0 || sx >= in[2])) continue;
      const int64_t at = image ? ((n * in[1] + sy) * in[2] + sx) * k : row * k;
      for (int64_t c = 0; c < k; ++c) to[c] = to_bf16(value_at(x, at + c));
    }
  }
  return result;
}

// The records of one reading of one part.
class Recorder {
 public:
  Recorder(const std::vector<PlannedLayer>& layers, const std::string& part, int64_t rows, int64_t readings)
      : rows_((rows + readings - 1) / std::max<int64_t>(1, readings)) {
    for (const PlannedLayer& layer : layers)
      if (layer.part == part) layers_.emplace(layer.path + ".weight", &layer);
  }

  bool empty() const { return layers_.empty(); }

  void attach(Plan& plan, int number) {
    records_.clear();
    seen_.clear();
    plan.reading = [this, number](const Plan::Reading& reading) { read(reading, number); };
  }

  void write(const fs::path& file) const { write_safetensors(file, records_); }

 private:
  void read(const Plan::Reading& reading, int number) {
    const auto found = layers_.find(reading.parameter);
    if (found == layers_.end()) return;
    const PlannedLayer& layer = *found->second;
    const std::string name = record_name(layer);
    if (!seen_.emplace(name, true).second) return;
    const uint64_t seed = hash(name) + static_cast<uint64_t>(number);
    records_.emplace_back(name + ".rows", sample_rows(reading, layer, rows_, seed));
    records_.emplace_back(name + ".max", channel_maxima(reading.in[0], layer.shape.k));
  }

  std::map<std::string, const PlannedLayer*> layers_;  // by the name of the weight
  std::map<std::string, bool> seen_;
  std::vector<std::pair<std::string, Tensor>> records_;
  int64_t rows_;
};

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

PlanOptions without_fusions() {
  PlanOptions options;
  options.fuse = false;
  return options;
}

void observe_denoiser(Context& context, const LoadedModel& model, const std::vector<PlannedLayer>& layers,
                      const QuantizeRequest& request, const fs::path& work) {
  const std::vector<fs::path> inputs = files_in(work / "inputs");
  Recorder recorder(layers, "unet", request.rows, static_cast<int64_t>(inputs.size()));
  if (recorder.empty()) return;
  fs::create_directories(work / "readings" / "unet");
  std::unique_ptr<DenoiseStage> stage;
  for (size_t i = 0; i < inputs.size(); ++i) {
    context.report("observe", static_cast<int64_t>(i), static_cast<int64_t>(inputs.size()));
    const fs::path out = work / "readings" / "unet" / inputs[i].filename();
    if (fs::exists(out)) continue;
    const WeightFile pick = open_weights(inputs[i]);
    const Tensor input = pick.get("input"), text = pick.get("text");
    const LatentShape shape{input.dim(0), input.dim(1), input.dim(2)};
    if (!stage) {
      stage = std::make_unique<DenoiseStage>(context, model, shape, text.dim(1), 1, DType::F32, without_fusions());
      check_memory({.memory_limit = request.memory_limit}, "observing the denoiser", stage->weight_bytes() + stage->arena_bytes());
    }
    Conditioning conditioning{text, pick.has("pooled") ? pick.get("pooled") : Tensor(), {}};
    const Tensor sizes =
        model.sdxl ? size_conditioning(model, shape.width * model.vae.factor, shape.height * model.vae.factor, false) : Tensor();
    recorder.attach(stage->plan(), static_cast<int>(i));
    stage->set_prompt(conditioning, sizes, 0, model.defaults.guidance);
    std::vector<float> output(static_cast<size_t>(shape.count()));
    stage->run(input.values<float>(), pick.get("timestep").values<float>()[0], output);
    recorder.write(out);
  }
  context.report("observe", 1, 1);
}

// A few drawn prompts hold few words, so keys and values would be solved for these; encoding more costs next to nothing.
void observe_texts(Context& context, const LoadedModel& model, const std::vector<PlannedLayer>& layers,
                   const QuantizeRequest& request, const fs::path& work) {
  constexpr size_t kAtOnce = 16;
  const std::vector<std::string> texts = calibration_texts(model, request);
  if (texts.empty() || std::none_of(layers.begin(), layers.end(), [](const PlannedLayer& l) { return l.reads_text; })) return;
  const auto file = [&](size_t i) { return work / "readings" / "unet" / fmt::format("text-{:04}.safetensors", i); };
  const int64_t count = static_cast<int64_t>(texts.size()), rows = (request.rows + count - 1) / count;
  const QuietProgress quiet(context);
  for (size_t first = 0; first < texts.size(); first += kAtOnce) {
    quiet.report("observe texts", static_cast<int64_t>(first), count);
    const size_t end = std::min(texts.size(), first + kAtOnce);
    if (fs::exists(file(end - 1))) continue;
    const std::vector<std::string> batch(texts.begin() + static_cast<ptrdiff_t>(first), texts.begin() + static_cast<ptrdiff_t>(end));
    const Conditioning some = encode_texts(context, model, batch, request.memory_limit);
    for (size_t i = first; i < end; ++i) {
      const int64_t row = static_cast<int64_t>(i - first);
      Tensor text = some.text.rows(row, row + 1);
      const TensorRef values{text.mutable_data(), {text.dtype(), text.shape()}};
      write_safetensors(file(i), {{"text.rows", text_rows(values, rows, i)}, {"text.max", channel_maxima(values, text.dim(2))}});
    }
  }
  quiet.report("observe texts", count, count);
}

// The pictures the decoder is read on: of trajectories that went beyond half of their calls; four are enough where each takes seconds.
std::vector<fs::path> decoded_latents(const LoadedModel& model, const QuantizeRequest& request, const fs::path& work) {
  constexpr ptrdiff_t kEnough = 4;
  std::vector<fs::path> files = files_in(work / "latents");
  if (trajectories_end_early(model, request)) files.erase(files.begin(), files.begin() + std::ssize(files) / 2);
  if (is_large(model) && std::ssize(files) > kEnough) files.erase(files.begin(), files.end() - kEnough);
  return files;
}

void observe_decoder(Context& context, const LoadedModel& model, const std::vector<PlannedLayer>& layers,
                     const QuantizeRequest& request, const fs::path& work) {
  const std::vector<fs::path> latents = decoded_latents(model, request, work);
  Recorder recorder(layers, "vae", request.rows, static_cast<int64_t>(latents.size()));
  if (recorder.empty()) return;
  fs::create_directories(work / "readings" / "vae");
  std::unique_ptr<DecodeStage> stage;
  for (size_t i = 0; i < latents.size(); ++i) {
    context.report("observe decoder", static_cast<int64_t>(i), static_cast<int64_t>(latents.size()));
    const fs::path out = work / "readings" / "vae" / latents[i].filename();
    if (fs::exists(out)) continue;
    const Tensor latent = open_weights(latents[i]).get("latent");
    if (!stage) {
      stage = std::make_unique<DecodeStage>(context, model, LatentShape{latent.dim(0), latent.dim(1), latent.dim(2)}, DType::F32,
                                            without_fusions());
      check_memory({.memory_limit = request.memory_limit}, "observing the decoder", stage->weight_bytes() + stage->arena_bytes());
    }
    recorder.attach(stage->plan(), static_cast<int>(i));
    stage->run(latent.values<float>());
    recorder.write(out);
  }
  context.report("observe decoder", 1, 1);
}

Tensor concatenated(const std::vector<Tensor>& parts) {
  Shape shape = parts[0].shape();
  shape[0] = 0;
  for (const Tensor& part : parts) shape[0] += part.dim(0);
  Tensor out = Tensor::zeros(parts[0].dtype(), shape);
  std::byte* to = static_cast<std::byte*>(out.mutable_data());
  for (const Tensor& part : parts) {
    const std::byte* from = static_cast<const std::byte*>(part.data());
    to = std::copy(from, from + part.bytes(), to);
  }
  return out;
}

}  // namespace

void observe_layers(Context& context, const LoadedModel& model, const std::vector<PlannedLayer>& layers,
                    const QuantizeRequest& request, const fs::path& work) {
  observe_denoiser(context, model, layers, request, work);
  observe_texts(context, model, layers, request, work);
  observe_decoder(context, model, layers, request, work);
}

Readings::Readings(const fs::path& work) {
  for (const char* part : {"unet", "vae"})
    for (const fs::path& file : files_in(work / "readings" / part)) files_[part].push_back(open_weights(file));
}

LayerReadings Readings::of(const PlannedLayer& layer) const {
  const auto files = files_.find(layer.part);
  if (files == files_.end()) return {};
  const std::string name = record_name(layer);
  std::vector<Tensor> rows, maxima;
  std::vector<int32_t> images;
  for (size_t i = 0; i < files->second.size(); ++i) {
    const WeightFile& file = files->second[i];
    if (!file.has(name + ".rows")) continue;
    rows.push_back(file.get(name + ".rows"));
    maxima.push_back(file.get(name + ".max").reshaped({1, layer.shape.k}));
    images.insert(images.end(), static_cast<size_t>(rows.back().dim(0)), static_cast<int32_t>(rows.size()) - 1);
  }
  if (rows.empty()) return {};
  LayerReadings out{concatenated(rows), Tensor::zeros(DType::I32, {static_cast<int64_t>(images.size())}), concatenated(maxima)};
  std::copy(images.begin(), images.end(), static_cast<int32_t*>(out.image.mutable_data()));
  return out;
}

}  // namespace nibble
