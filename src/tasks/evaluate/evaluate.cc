#include "tasks/evaluate/evaluate.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "data/pictures.h"
#include "image/codec.h"
#include "image/resize.h"
#include "metrics/compare.h"
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

// The first arm, and the first of those with prefix and suffix.
std::string reference_label(const EvaluateRequest& request) {
  std::string label = request.arms[0].label;
  for (const EvaluationArm& arm : request.arms)
    if (arm.affixed != request.arms[0].affixed)
      return format("{}, {} ({})", label, arm.label, arm.affixed ? "affixed" : "not affixed");
  return label;
}

// Everything that decides the quality fields.
Json describe_protocol(const EvaluateRequest& request, const std::vector<DatasetRow>& prompts,
                       const std::string& source) {
  const GenerateRequest& g = request.drawing;
  Json protocol = {
      {"name", request.protocol.empty() ? "own" : request.protocol},
      {"prompts", prompts.size()},
      {"data", source},
      {"reference", request.reference == ReferenceKind::Own ? format("pictures of {}", reference_label(request))
                                                            : std::string("pictures of the data set")},
      {"syntax", g.syntax == PromptSyntax::Plain ? "plain" : "a1111"},
      {"seeds", request.seed ? format("{} for every picture", *request.seed) : "hash of the prompt's name"},
      {"sampler", g.sampler.empty() ? "the model's own" : g.sampler},
      {"steps", g.steps},
      {"size", g.width > 0 ? format("{}x{}", g.width, g.height) : std::string("the model's own")}};
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
      fail(ErrorCode::InvalidArgument,
           "folder {}: holds another evaluation (other prompts, sampler or sizes); name another with --out, or remove "
           "it",
           request.out.string());
  }
  // Arms may be added to a finished evaluation.
  for (const EvaluationArm& arm : request.arms) {
    if (arms.contains(arm.label) && arms[arm.label] != arm.text)
      fail(ErrorCode::InvalidArgument,
           "folder {}: its arm '{}' is {}, asked is {}; give the new one a label: LABEL=MODEL", request.out.string(),
           arm.label, arms[arm.label].get<std::string>(), arm.text);
    arms[arm.label] = arm.text;
  }
  key["arms"] = arms;
  std::error_code error;
  fs::create_directories(request.out / "arms", error);
  if (error) fail(ErrorCode::Io, "folder {}: {}", request.out.string(), error.message());
  write_file(file, key.dump(1));
}

void describe_model(Context& context, ArmReport& report, const std::string& path, Checksums& checksums) {
  const models::ModelSource source = models::open_model(model_path(path));
  report.files = model_files(context, source, checksums);
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

PictureSet set_of(const EvaluateRequest& request, const std::vector<DatasetRow>& prompts, const EvaluationArm& arm) {
  PictureSet set{.name = arm.label};
  for (const DatasetRow& prompt : prompts) {
    set.pictures.push_back(picture_file(request, arm, prompt));
    set.texts.push_back(arm.affixed ? prompt.affixed : prompt.text);
  }
  return set;
}

// The sets of the arms and what they are compared with.
struct Sets {
  std::vector<PictureSet> arms;  // with references where there are any
  SetReference reference;
};

fs::path resized_file(const EvaluateRequest& request, const DatasetRow& prompt) {
  fs::path file = request.out / "reference" / prompt.name;
  return file += ".png";
}

// Where arms are compared with the data set's pictures picture by picture, these at the arms' size.
void resize_references(Context& context, const EvaluateRequest& request, const std::vector<DatasetRow>& prompts,
                       const std::vector<fs::path>& originals) {
  const Image like = read_rgb(picture_file(request, request.arms[0], prompts[0]));
  const int64_t total = static_cast<int64_t>(prompts.size());
  for (int64_t i = 0; i < total; ++i) {
    context.check_cancelled();
    context.report("reference", i, total);
    const fs::path file = resized_file(request, prompts[static_cast<size_t>(i)]);
    if (fs::exists(file)) continue;
    fs::create_directories(file.parent_path());
    const Image picture = read_rgb(originals[static_cast<size_t>(i)]);
    write_file(file, encode_png(resize(picture, like.width, like.height, ResizeFilter::Bicubic)));
  }
  context.report("reference", total, total);
}

SetReference find_set_reference(const EvaluateRequest& request, const std::vector<PictureSet>& arms,
                                const std::vector<fs::path>& originals) {
  const std::string& asked = request.set_reference;
  SetReference found;
  if (asked == "own") {
    found = {format("pictures of {}", arms[0].name), arms[0], {}, 0};
  } else if (asked == "dataset") {
    found = {"pictures of the data set", {"_dataset", originals, {}, {}}, {}, 0};
  } else if (fs::is_directory(asked)) {
    found = {format("folder {}", fs::path(asked).filename().string()), {"_folder", {}, {}, {}}, {}, 0};
    for (const auto& [name, file] : pictures_in(asked)) found.set.pictures.push_back(file);
  } else {
    found = {fs::path(asked).filename().string(), {}, asked, 0};
  }
  found.pictures = found.set.count();
  return found;
}

// The first arm that draws the same texts: an affixed one has its reference among the affixed ones.
size_t first_of_prompts(const EvaluateRequest& request, size_t arm) {
  size_t first = 0;
  while (request.arms[first].affixed != request.arms[arm].affixed) ++first;
  return first;
}

Sets find_sets(const EvaluateRequest& request, const std::vector<DatasetRow>& prompts,
               const std::vector<fs::path>& originals) {
  Sets sets;
  for (const EvaluationArm& arm : request.arms) sets.arms.push_back(set_of(request, prompts, arm));
  const bool own = request.reference == ReferenceKind::Own;
  sets.reference = find_set_reference(request, sets.arms, originals);
  for (size_t a = 0; a < sets.arms.size(); ++a) {
    PictureSet& set = sets.arms[a];
    if (const size_t first = first_of_prompts(request, a); own && first != a)
      set.references = sets.arms[first].pictures;
    for (size_t i = 0; !own && i < prompts.size(); ++i) set.references.push_back(resized_file(request, prompts[i]));
  }
  return sets;
}

bool compares(const EvaluateRequest& request, const SetMetric& metric, size_t arm) {
  return !metric.paired || request.set_reference != "own" || arm > 0;
}

// This process's share of all that is measured.
void measure_share(Context& context, const EvaluateRequest& request, const Shards& shards, const Sets& sets) {
  for (const PictureSet& set : sets.arms)
    for (const EvaluationMetric* metric : request.metrics)
      if (!metric->paired || !set.references.empty()) shards.measure(metric->source(), set);
  for (const SetMetric* metric : request.set_metrics) {
    if (metric->paired && sets.reference.set.count() > 0) shards.measure(metric->kind().source(), sets.reference.set);
    for (size_t i = 0; i < sets.arms.size(); ++i)
      if (compares(request, *metric, i)) shards.measure(metric->kind().source(), sets.arms[i]);
  }
}

void take_values(Context& context, const EvaluateRequest& request, const Shards& shards, const Sets& sets, size_t arm,
                 ArmReport& report) {
  const PictureSet& set = sets.arms[arm];
  for (const EvaluationMetric* metric : request.metrics) {
    if (metric->paired && set.references.empty()) continue;
    std::vector<double>& values = report.values[metric->name];
    shards.read(metric->source(), set, [&values](const Tensor& part) {
      values.insert(values.end(), part.values<double>().begin(), part.values<double>().end());
    });
  }
  for (const SetMetric* metric : request.set_metrics) {
    if (!compares(request, *metric, arm)) continue;
    context.check_cancelled();
    const FeatureSet pictures(context, shards, metric->kind(), set);
    std::optional<FeatureSet> reference;
    if (metric->paired && sets.reference.set.count() > 0)
      reference.emplace(context, shards, metric->kind(), sets.reference.set);
    else if (metric->paired)
      reference.emplace(context, load_gaussian(sets.reference.statistics, metric->features));
    report.set_values[metric->name] = metric->value(pictures, reference ? &*reference : nullptr);
  }
}

std::optional<Estimate> predict(Context& context, const EvaluateRequest& request, const EvaluationArm& arm,
                                const std::string& model, const DatasetRow& prompt, double program_bytes) {
  const std::optional<MachineProfile> machine = saved_profile(context.threads.size());
  if (!machine) return std::nullopt;
  GenerateRequest drawing = request.drawing;
  drawing.precision = arm.arithmetic;
  drawing.attention = arm.attention;
  drawing.prompt = arm.affixed ? prompt.affixed : prompt.text;
  return estimate_generate(context, load_model(model), drawing, *machine, program_bytes);
}

// What cannot be compared is said before anything is drawn.
void check_set_reference(EvaluateRequest& request) {
  std::string& asked = request.set_reference;
  if (asked.empty()) asked = request.reference == ReferenceKind::Own ? "own" : "dataset";
  if (asked == "own" || asked == "dataset") return;
  if (!fs::exists(asked))
    fail(ErrorCode::NotFound,
         "reference {}: want own, dataset, a folder of pictures, or statistics (.npz, .safetensors); found nothing",
         asked);
  if (fs::is_directory(asked)) {
    if (pictures_in(asked).empty()) fail(ErrorCode::NotFound, "folder {}: no pictures to compare with", asked);
    return;
  }
  for (const SetMetric* metric : request.set_metrics) {
    if (!metric->paired) continue;
    if (!metric->from_saved)
      fail(ErrorCode::InvalidArgument,
           "metric {}: want pictures to compare with, found statistics {}; name a folder of them", metric->name, asked);
    load_gaussian(asked, metric->features);
  }
}

// Whether a shard of the arms' pictures is this process's; others need not wait for pictures.
bool shares_measuring(const EvaluateRequest& request, const std::vector<DatasetRow>& prompts) {
  return static_cast<int64_t>(prompts.size()) > kShardPictures * request.ranks.rank;
}

// MS-SSIM wants 176 pixels a side; it is left out, with a word, where pictures are smaller.
void leave_out_unfit_metrics(Context& context, EvaluateRequest& request, const std::vector<DatasetRow>& prompts) {
  if (!request.ranks.first() && !shares_measuring(request, prompts)) return;
  const fs::path file = picture_file(request, request.arms[0], prompts[0]);
  if (!request.ranks.first()) wait_for(context, file);
  const Image first = read_rgb(file);
  std::erase_if(request.metrics, [&](const EvaluationMetric* metric) {
    try {
      if (metric->pair != nullptr) metric->pair->measure(first, first);
      return false;
    } catch (const Error& error) {
      if (request.ranks.first())
        context.say(LogLevel::Warning, format("metric {} is left out: {}", metric->name, error.what()));
      return true;
    }
  });
}

}  // namespace

std::vector<fs::path> dataset_pictures(const EvaluateRequest& request, const std::vector<DatasetRow>& prompts) {
  const CaptionSet set = open_dataset(request.prompts);
  const PictureSource source(set.pictures);
  std::vector<fs::path> files;
  for (const DatasetRow& prompt : prompts) {
    if (prompt.picture.empty() || !source.has(prompt.picture))
      fail(ErrorCode::NotFound,
           "data set {}: no picture for {}; name its folder or zip with --pictures, or compare with own pictures",
           set.format, prompt.name);
    fs::path file = source.file(prompt.picture);
    if (file.empty()) {
      file = request.out / "originals" / prompt.picture;
      fs::create_directories(file.parent_path());
      if (!fs::exists(file)) write_file(file, source.bytes(prompt.picture));
    }
    files.push_back(std::move(file));
  }
  return files;
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
  check_set_reference(request);
  const DatasetResult data = make_dataset(context, request.prompts);
  report.prompts = data.rows;
  report.protocol = describe_protocol(request, report.prompts, data.format + " " + data.source.filename().string());
  report.machine = describe_machine(context);
  if (request.ranks.first()) claim_folder(request, report.protocol, report.prompts);

  reset_peak_resident();  // gives back what reading the prompts has freed, as before every picture
  const double program_bytes = resident_bytes();
  const bool resized = request.reference == ReferenceKind::Dataset;
  std::vector<fs::path> originals;
  if (resized || request.set_reference == "dataset") originals = dataset_pictures(request, report.prompts);
  for (const EvaluationArm& arm : request.arms) draw_arm(context, request, arm, report.prompts);
  if (resized && request.ranks.first()) resize_references(context, request, report.prompts, originals);
  leave_out_unfit_metrics(context, request, report.prompts);
  const Sets sets = find_sets(request, report.prompts, originals);
  const Shards shards(context, request.out / "measured", request.ranks);
  measure_share(context, request, shards, sets);
  if (!request.ranks.first()) return report;
  report.set_reference = sets.reference;
  if (!sets.reference.statistics.empty() && !request.set_metrics.empty())
    report.set_reference.pictures = load_gaussian(sets.reference.statistics, request.set_metrics[0]->features).count;
  Checksums checksums;
  for (size_t i = 0; i < request.arms.size(); ++i) {
    const EvaluationArm& arm = request.arms[i];
    ArmReport one{.arm = arm, .pictures = static_cast<int64_t>(report.prompts.size())};
    take_values(context, request, shards, sets, i, one);
    if (!arm.pictures) {
      const std::string model = prepare_arm(context, request, arm);
      describe_model(context, one, model, checksums);
      one.predicted = predict(context, request, arm, model, report.prompts[0], program_bytes);
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
