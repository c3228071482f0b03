// nibble inspect: what a model file or folder holds, and what it lacks.
#include <cstdio>

#include "apps/cli/command.h"
#include "base/error.h"
#include "pipelines/loaded_model.h"

namespace nibble::cli {
namespace {

struct Options {
  std::string model = "emoji";
  bool tensors = false;
};

struct PartSummary {
  int64_t tensors = 0, parameters = 0;
  size_t bytes = 0;
  std::map<std::string, int64_t> dtypes;  // parameters by storage type
};

PartSummary summarize(const std::vector<TensorInfo>& tensors) {
  PartSummary s;
  for (const TensorInfo& info : tensors) {
    ++s.tensors;
    s.parameters += info.shape.count();
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

void run(const Options& o, const Common& common) {
  const models::ModelSource source = models::open_model(model_path(o.model));
  Json json = {{"path", source.path.string()}, {"layout", models::to_string(source.layout)}, {"family", models::to_string(source.family)},
               {"missing", source.missing}, {"found", source.found}, {"parts", Json::object()}};
  if (!common.json)
    std::printf("%s: %s, family %s\n", source.path.c_str(), models::to_string(source.layout), models::to_string(source.family));
  PartSummary total;
  for (const models::ModelPart& part : source.parts) {
    const std::vector<TensorInfo> tensors = part.weights.empty() ? std::vector<TensorInfo>() : source.tensors(part.name).tensors();
    const PartSummary s = summarize(tensors);
    total.parameters += s.parameters;
    total.bytes += s.bytes;
    Json& entry = json["parts"][part.name];
    entry = {{"class", part.class_name}, {"parameters", s.parameters}, {"bytes", s.bytes}, {"tensors", s.tensors}, {"config", part.config}};
    if (!common.json) print_part(part, s);
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
  const auto o = std::make_shared<Options>();
  CLI::App* c = app.add_subcommand("inspect", "What a model file or folder holds: family, parts, precisions, sizes, what is missing");
  c->add_option("model", o->model, "A diffusers folder, a checkpoint file, or a built-in model [emoji]");
  c->add_flag("--tensors", o->tensors, "List every tensor");
  c->callback([o, &common, &run_command] { run_command = [o, &common] { run(*o, common); }; });
}

}  // namespace nibble::cli
