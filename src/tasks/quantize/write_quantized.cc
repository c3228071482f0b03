#include <map>

#include "base/error.h"
#include "formats/safetensors_writer.h"
#include "tasks/convert.h"
#include "tasks/quantize/quantize.h"

namespace nibble {
namespace {

// One tensor to be written and where it comes from.
struct Entry {
  TensorInfo info;
  std::string part, name;  // of the source; empty part: from the layer's solution
  size_t layer = 0;
};

Json quantization_record(const QuantizeRequest& r, size_t layers) {
  Json rules = Json::array();
  for (const PrecisionRule& rule : r.rules) rules.push_back({rule.pattern, rule.precision});
  Json calibration;  // null: nothing was observed
  if (r.method != "rtn")
    calibration = {{"prompts", r.calibration.empty() ? "built-in list" : r.calibration.filename().string()},
                   {"trajectories", r.trajectories},
                   {"steps", r.steps},
                   {"side", r.width},
                   {"inputs", r.count},
                   {"rows", r.rows},
                   {"texts", r.texts},
                   {"seed", r.seed}};
  return {
      {"method", r.method}, {"precision", {{"unet", r.precision}, {"vae", r.vae}, {"text_encoder", r.text_encoder}}},
      {"group", r.group},   {"rank", r.rank},
      {"rules", rules},     {"target_bytes", r.target_bytes},
      {"layers", layers},   {"calibration", calibration}};
}

class Assembly {
 public:
  Assembly(const models::ModelSource& source, const std::vector<PlannedLayer>& layers, const std::filesystem::path& work)
      : source_(source), layers_(layers) {
    for (size_t i = 0; i < layers.size(); ++i) by_name_[layers[i].name()] = i, solved_.push_back(open_weights(solved_file(work, i, layers[i])));
    for (const models::ModelPart& part : source.parts)
      if (!part.weights.empty()) add_part(part.name);
  }

  const std::vector<Entry>& entries() const { return entries_; }
  const Json& records() const { return records_; }
  const std::vector<QuantizedLayerReport>& reports() const { return reports_; }

  Tensor tensor(const Entry& e) {
    if (e.part.empty()) return solved_[e.layer].get(e.name);
    if (open_part_ != e.part) {
      if (tensors_) tensors_->drop_pages();
      open_part_ = e.part;
      tensors_.emplace(source_.tensors(e.part));
    }
    return tensors_->find(e.name)->to(e.info.dtype);
  }

 private:
  void add_part(const std::string& part) {
    for (const TensorInfo& info : source_.tensors(part).tensors()) {
      const size_t dot = info.name.rfind('.');
      const std::string layer = part + "." + info.name.substr(0, dot), leaf = info.name.substr(dot + 1);
      const auto found = by_name_.find(layer);
      if (found == by_name_.end()) {
        entries_.push_back({{part + "." + info.name, kept_type(info), info.shape}, part, info.name});
      } else if (leaf == "weight") {
        add_layer(found->second, info.bytes());
      }
      // A bias comes with its layer.
    }
  }

  void add_layer(size_t i, size_t source_bytes) {
    const PlannedLayer& layer = layers_[i];
    const WeightFile& solved = solved_[i];
    const Json record = parse_json(solved.metadata().at("record"), solved.path().string());
    records_[layer.name()] = record;
    QuantizedLayerReport report{layer.name(), {}, layer.shape, 0, source_bytes};
    report.record = {layer.shape.kind, layer.activation, layer.shape.group, record["rank"], record["shift"], record["smoothed"], record["error"]};
    for (const TensorInfo& info : solved.tensors()) {
      if (info.name.starts_with("__pad__")) continue;
      entries_.push_back({{layer.name() + "." + info.name, info.dtype, info.shape}, "", info.name, i});
      if (info.name != "bias") report.bytes += info.bytes();
    }
    reports_.push_back(std::move(report));
  }

  const models::ModelSource& source_;
  const std::vector<PlannedLayer>& layers_;
  std::map<std::string, size_t> by_name_;
  std::vector<WeightFile> solved_;
  std::vector<Entry> entries_;
  Json records_ = Json::object();
  std::vector<QuantizedLayerReport> reports_;
  std::string open_part_;
  std::optional<models::NamedTensors> tensors_;
};

}  // namespace

// Matrices that stay: 16 bits; vectors keep their type, they are few.
DType kept_type(const TensorInfo& info) {
  return info.dtype == DType::F32 && info.shape.rank() >= 2 ? DType::F16 : info.dtype;
}

QuantizeReport write_quantized(Context& context, const models::ModelSource& source, const std::vector<PlannedLayer>& layers,
                               const QuantizeRequest& request, const std::filesystem::path& work) {
  Assembly assembly(source, layers, work);
  Metadata metadata = one_file_metadata(source);
  metadata[models::kLayersKey] = assembly.records().dump();
  metadata[models::kQuantizationKey] = quantization_record(request, layers.size()).dump();
  std::vector<TensorInfo> infos;
  for (const Entry& e : assembly.entries()) infos.push_back(e.info);
  SafetensorsWriter writer(request.out, infos, metadata);
  for (size_t i = 0; i < infos.size(); ++i) {
    context.check_cancelled();
    context.report("write", static_cast<int64_t>(i), static_cast<int64_t>(infos.size()));
    writer.write(assembly.tensor(assembly.entries()[i]));
  }
  writer.finish();
  context.report("write", 1, 1);
  QuantizeReport report{assembly.reports(), std::filesystem::file_size(request.out), 0};
  for (const models::ModelPart& part : source.parts)
    if (!part.weights.empty()) report.source_bytes += source.tensors(part.name).bytes();
  return report;
}

}  // namespace nibble
