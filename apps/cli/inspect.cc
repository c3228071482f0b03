// nibble inspect: what a model file or folder holds, and what it lacks.
#include <cstdio>

#include "apps/cli/command.h"
#include "base/error.h"
#include "pipelines/loaded_model.h"

namespace nibble::cli {
namespace {

struct InspectFlags {
  std::string model = "emoji";
  bool tensors = false, layers = false;
};

struct PartSummary {
  int64_t tensors = 0, parameters = 0;
  size_t bytes = 0;
  std::map<std::string, int64_t> dtypes;  // parameters by storage type
};

using Layers = std::vector<models::NamedTensors::QuantizedLayer>;

PartSummary summarize(const std::vector<TensorInfo>& tensors, const Layers& layers) {
  std::map<std::string, int64_t> codes_a_byte;
  for (const auto& layer : layers) codes_a_byte[layer.path] = layer.record.weights == WeightKind::Int4 ? 2 : 1;
  PartSummary s;
  for (const TensorInfo& info : tensors) {
    const size_t dot = info.name.rfind('.');
    const auto layer = codes_a_byte.find(info.name.substr(0, dot));
    const std::string leaf = info.name.substr(dot + 1);
    ++s.tensors;
    // Scales and branches describe a weight; they are none.
    if (layer == codes_a_byte.end() || leaf == "bias") s.parameters += info.shape.count();
    else if (leaf == "codes") s.parameters += info.shape.count() * layer->second;
    s.bytes += info.bytes();
    s.dtypes[to_string(info.dtype)] += info.shape.count();
  }
  return s;
}

std::string join(const std::map<std::string, int64_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void print_part(const models::ModelPart& part, const PartSummary& s) {
  std::printf("  %-16s %-28s", part.name.c_str(), part.class_name.c_str());
  if (s.tensors > 0)
    std::printf(" %9.2f M parameters %9.1f MB  %s, %ld tensors", static_cast<double>(s.parameters) / 1e6, static_cast<double>(s.bytes) / 1e6,
                join(s.dtypes).c_str(), static_cast<long>(s.tensors));
  std::printf("\n");
}

std::string precision_of(const QuantRecord& r) {
  return fmt::format("w{}a{}", r.weights == WeightKind::Int8 ? 8 : 4,
                     r.activations == ActivationKind::Float ? 16 : r.activations == ActivationKind::Int8 ? 8 : 4);
}

Json layers_json(const Layers& layers) {
  Json list = Json::array();
  for (const auto& layer : layers) {
    Json entry = models::to_json(layer.record);
    entry["name"] = layer.path;
    entry["bytes"] = layer.bytes;
    list.push_back(std::move(entry));
  }
  return list;
}

void print_layers(const Layers& layers, bool each) {
  struct Group {
    int64_t layers = 0;
    size_t bytes = 0;
    double error = 0;
  };
  std::map<std::string, Group> groups;
  for (const auto& [path, record, bytes] : layers) {
    Group& g = groups[precision_of(record)];
    ++g.layers, g.bytes += bytes, g.error += record.error;
  }
  for (const auto& [precision, g] : groups)
    std::printf("    %-6s %4ld layers %45.1f MB  mean relative error %.1e\n", precision.c_str(), static_cast<long>(g.layers),
                static_cast<double>(g.bytes) / 1e6, g.error / static_cast<double>(g.layers));
  if (!each) return;
  std::printf("    %-74s %-6s %5s %4s %8s %5s %9s %9s\n", "layer", "", "group", "rank", "smoothed", "shift", "kB", "error");
  for (const auto& [path, r, bytes] : layers)
    std::printf("    %-74s %-6s %5s %4ld %8s %5.2f %9.1f %9.1e\n", path.c_str(), precision_of(r).c_str(),
                r.weights == WeightKind::Int4 ? std::to_string(r.group).c_str() : "-", static_cast<long>(r.rank), r.smoothed ? "yes" : "no", r.shift,
                static_cast<double>(bytes) / 1e3, r.error);
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

void print_quantization(const Json& q) {
  if (!q.is_object()) return;
  std::string line = "quantized by " + text_of(q.value("method", Json()));
  for (const char* key : {"precision", "group", "rank", "calibration"}) {
    Json value = q.value(key, Json());
    if (const int64_t budget = q.value("target_bytes", int64_t{0}); budget > 0 && key == std::string_view("rank"))
      value = fmt::format("by layer within {:.1f} MB", static_cast<double>(budget) / 1e6);
    line += fmt::format("; {}", key);
    if (!value.is_object()) {
      line += " " + (value.is_null() ? "none" : text_of(value));
      continue;
    }
    for (const auto& [name, entry] : value.items()) line += fmt::format(" {} {},", name, text_of(entry));
    if (line.ends_with(',')) line.pop_back();
  }
  std::printf("%s\n", line.c_str());
}

void run_inspect(const InspectFlags& o, const Common& common) {
  const models::ModelSource source = models::open_model(model_path(o.model));
  Json json = {{"path", source.path.string()}, {"layout", models::to_string(source.layout)}, {"family", models::to_string(source.family)},
               {"missing", source.missing}, {"found", source.found}, {"parts", Json::object()}};
  if (!common.json)
    std::printf("%s: %s, family %s\n", source.path.c_str(), models::to_string(source.layout), models::to_string(source.family));
  const Json quantization = source.quantization();
  if (!quantization.is_null()) json["quantization"] = quantization;
  if (!common.json) print_quantization(quantization);
  PartSummary total;
  for (const models::ModelPart& part : source.parts) {
    const std::vector<TensorInfo> tensors = part.weights.empty() ? std::vector<TensorInfo>() : source.tensors(part.name).tensors();
    const Layers layers = part.weights.empty() ? Layers() : source.tensors(part.name).quantized_layers();
    const PartSummary s = summarize(tensors, layers);
    total.parameters += s.parameters;
    total.bytes += s.bytes;
    Json& entry = json["parts"][part.name];
    entry = {{"class", part.class_name}, {"parameters", s.parameters}, {"bytes", s.bytes}, {"tensors", s.tensors}, {"config", part.config}};
    if (!common.json) print_part(part, s);
    if (!layers.empty() && common.json) entry["quantized_layers"] = layers_json(layers);
    if (!layers.empty() && !common.json) print_layers(layers, o.layers);
    if (!o.tensors) continue;
    for (const TensorInfo& info : tensors) {
      if (common.json) entry["list"].push_back({{"name", info.name}, {"dtype", to_string(info.dtype)}, {"shape", info.shape.dims()}});
      else std::printf("    %-90s %-5s %s\n", info.name.c_str(), to_string(info.dtype), to_string(info.shape).c_str());
    }
  }
  json["parameters"] = total.parameters;
  json["bytes"] = total.bytes;
  if (common.json) return print_json(json);
  std::printf("  %-45s %9.2f M parameters %9.1f MB\n", "together", static_cast<double>(total.parameters) / 1e6, static_cast<double>(total.bytes) / 1e6);
  for (const std::string& sentence : source.missing) std::printf("missing: %s\n", sentence.c_str());
  for (const std::string& sentence : source.found) std::printf("found: %s\n", sentence.c_str());
}

}  // namespace

void add_inspect(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto o = std::make_shared<InspectFlags>();
  CLI::App* c = app.add_subcommand("inspect", "What a model file or folder holds: family, parts, precisions, sizes, what is missing");
  c->add_option("model,--model", o->model, "A diffusers folder, a checkpoint file, or a built-in model [emoji]");
  c->add_flag("--layers", o->layers, "List every quantized layer: precision, group, rank, bytes, relative output error in calibration");
  c->add_flag("--tensors", o->tensors, "List every tensor");
  c->callback([o, &common, &run_command] { run_command = [o, &common] { run_inspect(*o, common); }; });
}

}  // namespace nibble::cli
