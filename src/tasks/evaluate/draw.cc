#include <algorithm>
#include <chrono>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "image/codec.h"
#include "pipelines/text_to_image.h"
#include "tasks/evaluate/evaluate.h"
#include "tasks/quantize/quantize.h"

namespace nibble {
namespace fs = std::filesystem;
namespace {

// Each process keeps its own.
fs::path costs_file(const EvaluateRequest& request, const EvaluationArm& arm, int rank) {
  return request.out / "arms" / (arm.label + (rank == 0 ? ".costs.jsonl" : format(".costs-{}.jsonl", rank)));
}

// One line a picture, appended when its file is in place.
void append_line(const fs::path& file, const std::string& line) {
  std::ofstream out(file, std::ios::app);
  if (!(out << line << '\n' << std::flush))
    fail(ErrorCode::Io, "file {}: cannot write; is the disk full?", file.string());
}

// The largest resident size from one stage's end to the next one's: planning and opening weights belong to the stage
// that needs them. Empty where the system counts no peak anew.
class StagePeaks {
 public:
  StagePeaks() : counts_(reset_peak_resident()) {}

  // As a progress sink sees a run.
  void seen(const std::string& stage, int64_t done, int64_t total) {
    if (!counts_ || done < total) return;
    double& most = peaks_[stage];
    most = std::max(most, peak_resident_bytes());
    reset_peak_resident();
  }

  const std::map<std::string, double>& peaks() const { return peaks_; }

  // Of the whole picture.
  double largest() const {
    double most = peak_resident_bytes();
    for (const auto& [stage, bytes] : peaks_) most = std::max(most, bytes);
    return most;
  }

 private:
  bool counts_;
  std::map<std::string, double> peaks_;
};

// The stages inside a picture are not shown; pictures are.
Json draw_one(Context& context, const LoadedModel& model, const GenerateRequest& request, const fs::path& file) {
  Json seconds;
  StagePeaks memory;
  const QuietProgress quiet(context);
  context.progress = [&memory](const std::string& stage, int64_t done, int64_t total) {
    memory.seen(stage, done, total);
  };
  const auto start = std::chrono::steady_clock::now();
  double total = 0;
  generate(context, model, request, {.on_image = [&](const GeneratedImage& g) {
             total = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
             seconds = g.record.at("seconds");
             write_file(file, encode_png(g.image, {{"parameters", g.parameters}}));
           }});
  return {{"seconds", seconds}, {"stage_peaks", memory.peaks()}, {"total", total}, {"peak_bytes", memory.largest()}};
}

void draw_missing(Context& context, const EvaluateRequest& request, const EvaluationArm& arm, const LoadedModel& model,
                  const std::vector<const DatasetRow*>& missing) {
  GenerateRequest drawing = request.drawing;
  drawing.precision = arm.arithmetic;
  drawing.attention = arm.attention;
  const int64_t total = static_cast<int64_t>(missing.size());
  for (size_t i = 0; i < missing.size(); ++i) {
    const DatasetRow& prompt = *missing[i];
    context.report("draw " + arm.label, static_cast<int64_t>(i), total);
    const fs::path file = picture_file(request, arm, prompt);
    fs::create_directories(file.parent_path());
    drawing.prompt = arm.affixed ? prompt.affixed : prompt.text;
    drawing.seed = request.seed.value_or(static_cast<int64_t>(prompt.seed & 0x7fffffffffffffffull));
    Json cost = draw_one(context, model, drawing, file);
    cost["name"] = prompt.name;
    cost["warm"] = i > 0;
    append_line(costs_file(request, arm, request.ranks.rank), cost.dump());
  }
  context.report("draw " + arm.label, total, total);
}

}  // namespace

fs::path picture_folder(const EvaluateRequest& request, const EvaluationArm& arm) {
  return arm.pictures ? fs::path(arm.where) : request.out / "arms" / arm.label;
}

fs::path picture_file(const EvaluateRequest& request, const EvaluationArm& arm, const DatasetRow& prompt) {
  const fs::path base = picture_folder(request, arm) / prompt.name;
  if (arm.pictures)
    for (const char* extension : {".png", ".jpg", ".jpeg", ".webp"})
      if (fs::path file = base; fs::exists(file += extension)) return file;
  fs::path file = base;
  return file += ".png";
}

std::string prepare_arm(Context& context, const EvaluateRequest& request, const EvaluationArm& asked) {
  if (!asked.quantize) return asked.where;
  // Arms that differ in their prompts only share a model.
  const EvaluationArm& arm = *std::ranges::find_if(
      request.arms, [&](const EvaluationArm& other) { return other.quantize && other.recipe == asked.recipe; });
  const fs::path file = request.out / "models" / (arm.label + ".safetensors");
  if (!request.ranks.first()) wait_for(context, file);
  if (fs::exists(file)) return file.string();
  fs::create_directories(file.parent_path());
  QuantizeRequest quantization = arm.quantization;
  quantization.model = arm.where;
  quantization.out = file;
  context.say(LogLevel::Info, format("{}: quantizing", arm.label));
  quantize_model(context, quantization);
  return file.string();
}

void draw_arm(Context& context, const EvaluateRequest& request, const EvaluationArm& arm,
              const std::vector<DatasetRow>& prompts) {
  if (arm.pictures) {
    for (const DatasetRow& prompt : prompts)
      if (!fs::exists(picture_file(request, arm, prompt)))
        fail(ErrorCode::NotFound, "folder {}: no picture called {} (.png, .jpg, .jpeg or .webp)", arm.where,
             prompt.name);
    return;
  }
  const std::string name = prepare_arm(context, request, arm);
  const Ranks& ranks = request.ranks;
  std::vector<const DatasetRow*> missing;
  for (size_t i = 0; i < prompts.size(); ++i)
    if (static_cast<int>(i % static_cast<size_t>(ranks.size)) == ranks.rank &&
        !fs::exists(picture_file(request, arm, prompts[i])))
      missing.push_back(&prompts[i]);
  if (!missing.empty()) draw_missing(context, request, arm, load_model(name), missing);
  if (!ranks.first()) return;
  for (const DatasetRow& prompt : prompts) wait_for(context, picture_file(request, arm, prompt));
}

std::vector<PictureCost> read_costs(const EvaluateRequest& request, const EvaluationArm& arm) {
  std::vector<PictureCost> costs;
  for (int rank = 0; rank == 0 || fs::exists(costs_file(request, arm, rank)); ++rank) {
    std::ifstream file(costs_file(request, arm, rank));
    for (std::string line; std::getline(file, line);) {
      const Json json = Json::parse(line, nullptr, false);  // the last line of a killed run may be cut
      if (!json.is_object() || !json.contains("seconds") || !json.contains("total")) continue;
      PictureCost cost;
      for (const auto& [stage, seconds] : json["seconds"].items()) cost.seconds[stage] = seconds.get<double>();
      if (json.contains("stage_peaks"))
        for (const auto& [stage, bytes] : json["stage_peaks"].items()) cost.stage_peaks[stage] = bytes.get<double>();
      cost.total = json["total"];
      cost.peak_bytes = json.value("peak_bytes", 0.0);
      cost.warm = json.value("warm", true);
      costs.push_back(std::move(cost));
    }
  }
  return costs;
}

}  // namespace nibble
