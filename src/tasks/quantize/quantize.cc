#include "tasks/quantize/quantize.h"

#include "base/error.h"
#include "base/file.h"
#include "quant/quantizer.h"
#include "tasks/quantize/allocate.h"

namespace nibble {
namespace fs = std::filesystem;
namespace {

void check_request(const QuantizeRequest& r, const LoadedModel& model) {
  quant::method_from_name(r.method);
  for (const std::string& p : {r.precision, r.vae, r.text_encoder})
    if (p != "keep") precision_from_name(p);
  if (r.group != 32 && r.group != 64 && r.group != 128) fail(ErrorCode::InvalidArgument, "group {}: want 32, 64 or 128", r.group);
  if (r.rank < 0 || r.rank > 256) fail(ErrorCode::InvalidArgument, "rank {}: want 0 to 256", r.rank);
  if (r.count < 0 || r.rows < 0 || r.steps < 1) fail(ErrorCode::InvalidArgument, "count, rows and steps: want at least 1 (0 of count or rows: by the size of the model)");
  if (r.out.empty()) fail(ErrorCode::InvalidArgument, "out: want the name of the file to write");
  if (model.source.family == models::Family::Unknown && model.source.parts.empty())
    fail(ErrorCode::Unsupported, "model {}: of no known family; see 'nibble inspect'", r.model);
  for (const models::ModelPart& part : model.source.parts) {
    if (part.weights.empty()) continue;
    if (!model.source.tensors(part.name).quantized_layers().empty())
      fail(ErrorCode::Unsupported, "model {}: is quantized already; quantize the checkpoint it was made from", r.model);
  }
}

// Everything that decides a result, so that a work folder is only resumed by the run it belongs to.
std::string run_key(const QuantizeRequest& r, const LoadedModel& model, const std::vector<PlannedLayer>& layers) {
  Json key = {{"method", r.method},
              {"target", r.target_bytes},
              {"trajectories", r.trajectories},
              {"steps", r.steps},
              {"count", r.count},
              {"rows", r.rows},
              {"seed", r.seed},
              {"width", r.width},
              {"height", r.height},
              {"layers", Json::array()},
              {"prompts", calibration_prompts(model, r)},
              {"texts", calibration_texts(model, r)}};
  for (const PlannedLayer& l : layers)
    key["layers"].push_back({l.name(), l.shape.n, l.shape.taps, l.shape.k, to_string(l.shape.kind), l.shape.group, to_string(l.activation), l.rank});
  for (const models::ModelPart& part : model.source.parts)
    if (!part.weights.empty()) {
      const WeightFile file = model.source.tensors(part.name).file();
      key["source"][part.name] = {file.bytes(), fs::exists(file.path()) && fs::is_regular_file(file.path()) ? fs::file_size(file.path()) : 0};
    }
  return key.dump();
}

void claim_work_folder(const fs::path& work, const std::string& key) {
  const fs::path file = work / "run.json";
  if (fs::exists(file)) {
    if (read_file(file) == key) return;
    fail(ErrorCode::InvalidArgument,
         "work folder {}: belongs to another run (other model, method or options); remove it to start anew, or name another with --work",
         work.string());
  }
  std::error_code error;
  fs::create_directories(work, error);
  if (error) fail(ErrorCode::Io, "work folder {}: {}; free some space or name another with --work", work.string(), error.message());
  write_file(file, key);
}

bool wants_readings(const std::vector<PlannedLayer>& layers) {
  return std::any_of(layers.begin(), layers.end(), [](const PlannedLayer& l) { return l.part == "unet" || l.part == "vae"; });
}

// Trajectories of large denoisers are drawn with an 8-bit copy: faster, and the inputs are those of a near-by model.
LoadedModel sampling_model(Context& context, const LoadedModel& model, const QuantizeRequest& request, const fs::path& work) {
  if (!is_large(model)) return model;
  const fs::path file = work / "sampler.safetensors";
  if (!fs::exists(file)) {
    QuantizeRequest quick;
    quick.model = request.model, quick.out = file, quick.work = work / "sampler";
    quick.method = "rtn", quick.precision = "w8a8", quick.vae = quick.text_encoder = "keep";
    quantize_model(context, quick);
  }
  return load_model(file.string());
}

}  // namespace

QuantizeReport quantize_model(Context& context, const QuantizeRequest& asked) {
  const LoadedModel model = load_model(asked.model);
  check_request(asked, model);
  QuantizeRequest request = asked;
  size_calibration(model, request);
  std::vector<PlannedLayer> layers = plan_layers(model.source, request);
  if (request.target_bytes > 0) check_budget(model.source, request, layers);
  const fs::path work = request.work.empty() ? fs::path(request.out.string() + ".work") : request.work;
  claim_work_folder(work, run_key(request, model, layers));
  if (request.method != "rtn" && wants_readings(layers)) {
    if (!calibration_sampled(model, request, work))
      sample_calibration_inputs(context, sampling_model(context, model, request, work),
                                calibration_prompts(model, request), request, work);
    observe_layers(context, model, layers, request, work);
  }
  if (request.target_bytes > 0) spend_budget(context, model.source, request, work, layers);
  solve_layers(context, model.source, layers, request, work);
  const QuantizeReport report = write_quantized(context, model.source, layers, request, work);
  if (!request.keep_work) fs::remove_all(work);
  return report;
}

Json to_json(const QuantizeReport& report) {
  Json layers = Json::array();
  for (const QuantizedLayerReport& l : report.layers) {
    Json entry = models::to_json(l.record);
    entry["name"] = l.name;
    entry["shape"] = {l.shape.n, l.shape.taps, l.shape.k};
    entry["bytes"] = l.bytes;
    entry["source_bytes"] = l.source_bytes;
    entry["bits_per_weight"] = 8.0 * static_cast<double>(l.bytes) / static_cast<double>(l.shape.n * l.shape.taps * l.shape.k);
    layers.push_back(std::move(entry));
  }
  return {{"bytes", report.bytes}, {"source_bytes", report.source_bytes}, {"layers", layers}};
}

}  // namespace nibble
