#include "tasks/evaluate/evaluate.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "data/pictures.h"
#include "image/codec.h"
#include "image/resize.h"
#include "pipelines/text_to_image.h"
#include "tasks/quantize/quantize.h"

namespace nibble {
namespace fs = std::filesystem;
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

Json describe_machine(const Context& context) {
  utsname system{};
  ::uname(&system);
  return {{"processor", cpu_name()},
          {"instructions", to_string(context.cpu)},
          {"threads", context.threads.size()},
          {"system", format("{} {} {}", system.sysname, system.release, system.machine)}};
}

// Everything that decides the quality fields.
Json describe_protocol(const EvaluateRequest& request, const std::vector<DatasetRow>& prompts, const std::string& source) {
  const GenerateRequest& g = request.drawing;
  Json protocol = {{"name", request.protocol.empty() ? "own" : request.protocol},
                   {"prompts", prompts.size()},
                   {"data", source},
                   {"reference", request.reference == ReferenceKind::Own ? format("pictures of {}", request.arms[0].label) : std::string("pictures of the data set")},
                   {"syntax", g.syntax == PromptSyntax::Plain ? "plain" : "a1111"},
                   {"seeds", "hash of the prompt's name"},
                   {"sampler", g.sampler.empty() ? "the model's own" : g.sampler},
                   {"steps", g.steps},
                   {"width", g.width},
                   {"height", g.height}};
  protocol["guidance"] = g.guidance ? Json(*g.guidance) : Json("the model's own");
  if (g.negative_prompt) protocol["negative_prompt"] = *g.negative_prompt;
  const DatasetRequest& d = request.prompts;
  if (!d.split.empty()) protocol["split"] = d.split;
  if (!d.selection.domains.empty()) protocol["domains"] = d.selection.domains;
  if (!d.prefix.empty() || !d.suffix.empty()) protocol["prefix"] = d.prefix, protocol["suffix"] = d.suffix;
  return protocol;
}

void claim_folder(const EvaluateRequest& request, const Json& protocol, const std::vector<DatasetRow>& prompts) {
  Json key = {{"protocol", protocol}, {"prompts", Json::array()}, {"arms", Json::object()}};
  for (const DatasetRow& row : prompts) key["prompts"].push_back({row.name, row.text, row.affixed, row.seed});
  const fs::path file = request.out / "run.json";
  Json arms = Json::object();
  if (fs::exists(file)) {
    Json old = read_json_file(file);
    arms = old.value("arms", Json::object());
    old["arms"] = Json::object();
    if (old != key)
      fail(ErrorCode::InvalidArgument, "folder {}: holds another evaluation (other prompts, sampler or sizes); name another with --out, or remove it",
           request.out.string());
  }
  // Arms may be added to a finished evaluation.
  for (const EvaluationArm& arm : request.arms) {
    if (arms.contains(arm.label) && arms[arm.label] != arm.text)
      fail(ErrorCode::InvalidArgument, "folder {}: its arm '{}' is {}, asked is {}; give the new one a label: LABEL=MODEL", request.out.string(),
           arm.label, arms[arm.label].get<std::string>(), arm.text);
    arms[arm.label] = arm.text;
  }
  key["arms"] = arms;
  std::error_code error;
  fs::create_directories(request.out / "arms", error);
  if (error) fail(ErrorCode::Io, "folder {}: {}", request.out.string(), error.message());
  write_file(file, key.dump(1));
}

void describe_model(ArmReport& report, const std::string& path) {
  const models::ModelSource source = models::open_model(model_path(path));
  double errors = 0;
  for (const models::ModelPart& part : source.parts) {
    if (part.weights.empty()) continue;
    const models::NamedTensors tensors = source.tensors(part.name);
    report.file_bytes += tensors.bytes();
    if (part.name == "unet") report.unet_bytes += tensors.bytes();
    for (const auto& layer : tensors.quantized_layers()) {
      Json entry = models::to_json(layer.record);
      entry["name"] = part.name + "." + layer.path;
      entry["bytes"] = layer.bytes;
      errors += layer.record.error;
      report.layers.push_back(std::move(entry));
    }
  }
  if (!report.layers.empty()) report.mean_error = errors / static_cast<double>(report.layers.size());
}

// Values of every metric, one a prompt; paired ones only where there are references. `others`: the set that sets are compared with.
void measure_arm(Context& context, const EvaluateRequest& request, const std::vector<DatasetRow>& prompts,
                 const std::function<fs::path(const DatasetRow&)>& reference, const std::vector<fs::path>& others, ArmReport& report) {
  PictureSet set;
  for (const DatasetRow& prompt : prompts) {
    set.pictures.push_back(picture_file(request, report.arm, prompt));
    if (reference) set.references.push_back(reference(prompt));
    set.texts.push_back(report.arm.affixed ? prompt.affixed : prompt.text);
  }
  for (const EvaluationMetric* metric : request.metrics)
    if (!metric->paired || reference) report.values[metric->name] = measure_metric(context, *metric, set, report.arm.label);
  for (const SetMetric* metric : request.set_metrics) {
    context.report(format("{} {}", metric->name, report.arm.label), 0, 1);
    if (!metric->reference || !others.empty()) report.set_values[metric->name] = metric->measure(context, set.pictures, others);
    context.report(format("{} {}", metric->name, report.arm.label), 1, 1);
  }
}

// MS-SSIM wants 176 pixels a side; it is left out, with a word, where pictures are smaller.
void leave_out_unfit_metrics(Context& context, EvaluateRequest& request, const std::vector<DatasetRow>& prompts) {
  const Image first = read_rgb(picture_file(request, request.arms[0], prompts[0]));
  std::erase_if(request.metrics, [&](const EvaluationMetric* metric) {
    try {
      if (metric->pair != nullptr) metric->pair->measure(first, first);
      return false;
    } catch (const Error& error) {
      context.say(LogLevel::Warning, format("metric {} is left out: {}", metric->name, error.what()));
      return true;
    }
  });
}

}  // namespace

std::vector<fs::path> dataset_pictures(Context& context, const EvaluateRequest& request, const std::vector<DatasetRow>& prompts) {
  const CaptionSet set = open_dataset(request.prompts);
  const PictureSource source(set.pictures);
  const Image first = read_rgb(picture_file(request, request.arms[0], prompts[0]));
  std::vector<fs::path> originals;
  for (size_t i = 0; i < prompts.size(); ++i) {
    context.report("reference", static_cast<int64_t>(i), static_cast<int64_t>(prompts.size()));
    const std::string& name = prompts[i].picture;
    if (name.empty() || !source.has(name))
      fail(ErrorCode::NotFound, "data set {}: no picture for {}; name its folder or zip with --pictures, or use --reference own", set.format,
           prompts[i].name);
    originals.push_back(source.file(name));
    if (originals.back().empty()) {
      originals.back() = request.out / "originals" / name;
      fs::create_directories(originals.back().parent_path());
      if (!fs::exists(originals.back())) write_file(originals.back(), source.bytes(name));
    }
    fs::path file = request.out / "reference" / prompts[i].name;
    if (fs::exists(file += ".png")) continue;
    fs::create_directories(file.parent_path());
    write_file(file, encode_png(resize(source.read_rgb(name), first.width, first.height, ResizeFilter::Lanczos)));
  }
  context.report("reference", 1, 1);
  return originals;
}

Interval metric_interval(const ArmReport& arm, const std::string& metric) {
  std::vector<double> finite;
  for (const double v : arm.values.at(metric))
    if (std::isfinite(v)) finite.push_back(v);
  return mean_interval(finite);
}

Interval paired_difference(const ArmReport& a, const ArmReport& b, const std::string& metric) {
  const std::vector<double>&va = a.values.at(metric), &vb = b.values.at(metric);
  std::vector<double> differences;
  for (size_t i = 0; i < va.size(); ++i)
    if (std::isfinite(va[i]) && std::isfinite(vb[i])) differences.push_back(vb[i] - va[i]);
  return mean_interval(differences);
}

EvaluationReport evaluate(Context& context, const EvaluateRequest& asked) {
  EvaluationReport report{.request = asked};
  EvaluateRequest& request = report.request;
  if (request.out.empty()) fail(ErrorCode::InvalidArgument, "out: want the folder of the report");
  if (request.arms.empty()) fail(ErrorCode::InvalidArgument, "arms: want at least one model or folder of pictures");
  const DatasetResult data = make_dataset(context, request.prompts);
  report.prompts = data.rows;
  report.protocol = describe_protocol(request, report.prompts, data.format + " " + data.source.filename().string());
  report.machine = describe_machine(context);
  if (request.ranks.first()) claim_folder(request, report.protocol, report.prompts);

  for (const EvaluationArm& arm : request.arms) draw_arm(context, request, arm, report.prompts);
  if (!request.ranks.first()) return report;
  leave_out_unfit_metrics(context, request, report.prompts);
  std::vector<fs::path> originals;
  if (request.reference == ReferenceKind::Dataset) originals = dataset_pictures(context, request, report.prompts);
  for (const EvaluationArm& arm : request.arms) {
    ArmReport one{.arm = arm, .pictures = static_cast<int64_t>(report.prompts.size())};
    const bool own = request.reference == ReferenceKind::Own, itself = own && &arm == &request.arms[0];
    std::function<fs::path(const DatasetRow&)> reference;
    if (own && !itself) reference = [&](const DatasetRow& prompt) { return picture_file(request, request.arms[0], prompt); };
    if (!own) reference = [&](const DatasetRow& prompt) {
      fs::path file = request.out / "reference" / prompt.name;
      return file += ".png";
    };
    std::vector<fs::path> others = originals;
    if (own && !itself)
      for (const DatasetRow& prompt : report.prompts) others.push_back(reference(prompt));
    measure_arm(context, request, report.prompts, reference, others, one);
    if (!arm.pictures) {
      describe_model(one, prepare_arm(context, request, arm));
      one.costs = read_costs(request, arm);
    }
    report.arms.push_back(std::move(one));
  }
  write_file(request.out / "quality.json", quality_json(report).dump(1) + "\n");
  write_file(request.out / "report.json", report_json(report).dump(1) + "\n");
  write_file(request.out / "table.md", table_markdown(report));
  write_file(request.out / "table.csv", table_csv(report));
  write_file(request.out / "index.html", report_html(report));
  return report;
}

}  // namespace nibble
