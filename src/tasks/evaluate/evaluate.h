// One command from models to the table that a paper prints: pictures of the same prompts and noise from every arm,
// their quality beside a reference, sizes, memory and times, as a report folder.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/json.h"
#include "base/ranks.h"
#include "metrics/statistics.h"
#include "pipelines/request.h"
#include "tasks/dataset.h"
#include "tasks/estimate.h"
#include "tasks/evaluate/arm.h"
#include "tasks/evaluate/metrics.h"
#include "tasks/evaluate/model_files.h"

namespace nibble {

enum class ReferenceKind : uint8_t { Own, Dataset };  // the first arm's pictures, or the data set's

struct EvaluateRequest {
  std::vector<EvaluationArm> arms;
  DatasetRequest prompts;       // what to draw; data sets as `nibble dataset` reads them
  std::optional<int64_t> seed;  // of every picture; else each has its own, the hash of its prompt's name
  GenerateRequest drawing;      // sampler, steps, guidance, size; prompt, seed and precision are set for each picture
  ReferenceKind reference = ReferenceKind::Own;
  std::string set_reference;  // of set metrics: "own", "dataset", a folder of pictures, statistics as .npz or
                              // .safetensors; empty: as `reference`
  std::vector<const EvaluationMetric*> metrics;
  std::vector<const SetMetric*> set_metrics;
  std::string protocol;  // name printed with the numbers; empty: none
  std::string program;   // name and version, for the report
  Ranks ranks;           // processes that share the pictures; the first of them measures and writes the report
  std::filesystem::path out;
};

// What one picture took.
struct PictureCost {
  std::map<std::string, double> seconds;  // text, load, denoise, decode
  std::map<std::string, double> stage_peaks;  // text, encode, denoise, decode: the process's largest resident size
  double total = 0;
  double peak_bytes = 0;  // resident size of the process at its largest
  bool warm = true;       // not the first picture of its process
};

struct ArmReport {
  EvaluationArm arm;
  size_t file_bytes = 0;  // of the model's weights
  size_t unet_bytes = 0;
  std::vector<ModelFile> files;
  int64_t pictures = 0;
  std::map<std::string, std::vector<double>> values;  // metric -> one value a picture, in the prompts' order
  std::map<std::string, double> set_values;           // metrics of whole sets, "fd-vae"
  std::vector<PictureCost> costs;                     // in the order drawn
  std::optional<Estimate> predicted;                  // where `nibble bench` has measured the machine
  double mean_error = 0;                              // of quantized layers
  Json layers = Json::array();                        // name, precision, error of every quantized layer
};

// What set metrics compare with.
struct SetReference {
  std::string name;  // as printed
  PictureSet set;    // empty where only statistics are known
  std::filesystem::path statistics;
  int64_t pictures = 0;  // 0: the file does not tell
};

struct EvaluationReport {
  EvaluateRequest request;
  std::vector<DatasetRow> prompts;
  std::vector<ArmReport> arms;
  SetReference set_reference;
  Json protocol;  // everything that decides the quality fields
  Json machine;
};

// Draws what is missing, measures, writes `out`: report.json, quality.json (the fields that a second run repeats byte
// for byte), table.md, table.csv, index.html, arms/LABEL/NAME.png, measured/LABEL/METRIC-NUMBER.safetensors. A run that
// was stopped goes on with the next picture or the next 64 measured ones. Progress stages "quantize …", "draw LABEL",
// "METRIC LABEL", "checksum FILE". With several ranks each draws and measures its share and all but the first return a report without
// arms. Throws Error{InvalidArgument} where `out` holds another evaluation, and what its steps throw; what was finished
// stays.
EvaluationReport evaluate(Context& context, const EvaluateRequest& request);

// --- Steps.

// Quantizes the arm's model into out/models unless the file is there. Returns the model to draw with.
std::string prepare_arm(Context& context, const EvaluateRequest& request, const EvaluationArm& arm);
void draw_arm(Context& context, const EvaluateRequest& request, const EvaluationArm& arm,
              const std::vector<DatasetRow>& prompts);
std::vector<PictureCost> read_costs(const EvaluateRequest& request, const EvaluationArm& arm);
std::filesystem::path picture_folder(const EvaluateRequest& request, const EvaluationArm& arm);
std::filesystem::path picture_file(const EvaluateRequest& request, const EvaluationArm& arm, const DatasetRow& prompt);
// The files of the data set's pictures, one a prompt; those in zip files are unpacked below out/originals. Throws
// Error{NotFound} that names a prompt without a picture.
std::vector<std::filesystem::path> dataset_pictures(const EvaluateRequest& request,
                                                    const std::vector<DatasetRow>& prompts);

// The mean's interval and the interval of the difference of two arms over the same prompts; pairs with an infinite
// value are left out.
Interval metric_interval(const ArmReport& arm, const std::string& metric);
Interval paired_difference(const ArmReport& a, const ArmReport& b, const std::string& metric);

// What set metrics compare with, and the mark † where the numbers of pictures differ; a line, or nothing.
std::string set_reference_text(const EvaluationReport& report);
Json quality_json(const EvaluationReport& report);
Json report_json(const EvaluationReport& report);
std::string table_markdown(const EvaluationReport& report);
std::string table_csv(const EvaluationReport& report);
std::string report_html(const EvaluationReport& report);

}  // namespace nibble
