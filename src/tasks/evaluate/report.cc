// The report's tables and JSON.
#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "tasks/evaluate/cost.h"
#include "tasks/evaluate/evaluate.h"
#include "tasks/weights.h"

namespace nibble {
namespace {

Json number(double v) { return std::isfinite(v) ? Json(v) : Json(); }

Json interval_json(const Interval& i) {
  return {{"mean", number(i.mean)}, {"low", number(i.low)}, {"high", number(i.high)}, {"pairs", i.count}};
}

// The PSNR of the mean squared error over all pictures, beside the mean of PSNRs.
double pooled_psnr(const std::vector<double>& values) {
  double error = 0;
  for (const double v : values) error += std::isfinite(v) ? std::pow(10, -v / 10) : 0;
  return -10 * std::log10(error / static_cast<double>(values.size()));
}

Json metric_json(const ArmReport& arm, const std::string& metric) {
  std::vector<double> finite;
  Json values = Json::array();
  for (const double v : arm.values.at(metric)) {
    values.push_back(number(v));
    if (std::isfinite(v)) finite.push_back(v);
  }
  Json json = interval_json(metric_interval(arm, metric));
  json["median"] = number(percentile(finite, 0.5));
  json["tenth"] = number(percentile(finite, 0.1));
  json["identical"] = values.size() - finite.size();
  if (metric == "psnr") json["pooled"] = number(pooled_psnr(arm.values.at(metric)));
  json["values"] = std::move(values);
  return json;
}

// The bias of a Fréchet distance depends on both numbers of pictures.
bool comparable(const EvaluationReport& report) {
  return report.set_reference.pictures == static_cast<int64_t>(report.prompts.size());
}

bool compares_sets(const EvaluationReport& report) {
  return std::ranges::any_of(report.request.set_metrics, [](const SetMetric* metric) { return metric->paired; });
}

// A row an arm.
Table make_table(const EvaluationReport& report, bool intervals) {
  Table t;
  t.header = {"arm", "N"};
  for (const EvaluationMetric* metric : report.request.metrics)
    t.header.push_back(fmt::format("{} {}", metric->title, metric->higher_is_better ? "↑" : "↓"));
  const std::string mark = comparable(report) ? "" : " †";
  for (const SetMetric* metric : report.request.set_metrics)
    t.header.push_back(fmt::format("{} {}", metric->title, metric->higher_is_better ? "↑" : "↓"));
  const bool predicted =
      std::ranges::any_of(report.arms, [](const ArmReport& arm) { return arm.predicted.has_value(); });
  for (const char* name : {"model MB", "UNet MB", "s/picture", "p90 s", "peak MB"}) t.header.emplace_back(name);
  if (predicted) t.header.insert(t.header.end(), {"predicted s", "predicted MB"});
  for (const ArmReport& arm : report.arms) {
    std::vector<std::string> row{arm.arm.label, std::to_string(arm.pictures)};
    for (const EvaluationMetric* metric : report.request.metrics) {
      if (!arm.values.contains(metric->name)) {
        row.emplace_back("reference");
        continue;
      }
      const Interval i = metric_interval(arm, metric->name);
      std::string cell = i.count == 0 ? "identical" : shown(i.mean, metric->digits);
      if (intervals && i.count > 1) cell += fmt::format(" ± {:.{}f}", i.high - i.mean, metric->digits);
      row.push_back(cell);
    }
    for (const SetMetric* metric : report.request.set_metrics) {
      const auto found = arm.set_values.find(metric->name);
      row.push_back(found == arm.set_values.end()
                        ? "reference"
                        : shown(found->second, metric->digits) + (metric->paired ? mark : ""));
    }
    const std::vector<double> seconds = warm_seconds(arm);
    row.push_back(megabytes(static_cast<double>(arm.file_bytes)));
    row.push_back(megabytes(static_cast<double>(arm.unet_bytes)));
    row.push_back(shown(percentile(seconds, 0.5), 3));
    row.push_back(shown(percentile(seconds, 0.9), 3));
    row.push_back(megabytes(largest_peak(arm)));
    if (predicted) {
      row.push_back(arm.predicted ? shown(arm.predicted->seconds, 3) : "—");
      row.push_back(megabytes(arm.predicted ? arm.predicted->peak_bytes : 0));
    }
    t.rows.push_back(std::move(row));
  }
  return t;
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  quoted += '"';
  return quoted;
}

// Both ways of averaging PSNR that the literature has, and how many pairs are infinite.
std::string pooled_text(const EvaluationReport& report) {
  std::string text;
  for (const ArmReport& arm : report.arms) {
    const auto found = arm.values.find("psnr");
    if (found == arm.values.end()) continue;
    const auto identical = std::ranges::count_if(found->second, [](double v) { return !std::isfinite(v); });
    text +=
        fmt::format("{}{} {} dB ({} identical)", text.empty() ? "PSNR of the error of all pictures together: " : ", ",
                    arm.arm.label, shown(pooled_psnr(found->second), 2), identical);
  }
  return text.empty() ? "" : text + ".\n";
}

// The published files that the metrics saw, with their checksums.
Json networks_json(const EvaluationReport& report) {
  std::set<std::filesystem::path> used;
  const auto take = [&used](const std::vector<std::filesystem::path>& files) {
    used.insert(files.begin(), files.end());
  };
  for (const EvaluationMetric* metric : report.request.metrics) take(metric->source().files);
  for (const SetMetric* metric : report.request.set_metrics) take(metric->kind().files());
  Json list = Json::array();
  for (const WeightsStatus& status : list_weights())
    if (used.contains(status.file))
      list.push_back({{"name", status.row->name}, {"sha256", status.sha256}, {"state", to_string(status.state)}});
  return list;
}

Json files_json(const ArmReport& arm) {
  Json list = Json::array();
  for (const ModelFile& file : arm.files)
    list.push_back({{"file", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  return list;
}

std::string value_text(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

}  // namespace

std::string set_reference_text(const EvaluationReport& report) {
  if (!compares_sets(report)) return "";
  const SetReference& reference = report.set_reference;
  std::string text = fmt::format("Sets are compared with {} (N {}):", reference.name,
                                 reference.pictures > 0 ? std::to_string(reference.pictures) : "unknown");
  for (const SetMetric* metric : report.request.set_metrics)
    if (metric->paired) text += fmt::format(" {} on {} features;", metric->title, metric->features);
  text.back() = '.';
  if (!comparable(report))
    text += fmt::format(
        " † The reference has another number of pictures than the arms ({}): hold these only against numbers of the "
        "same two.",
        report.prompts.size());
  return text + "\n";
}

Json quality_json(const EvaluationReport& report) {
  Json json = {{"protocol", report.protocol},
               {"arms", Json::array()},
               {"differences", Json::array()},
               {"prompts", Json::array()}};
  for (const DatasetRow& row : report.prompts) json["prompts"].push_back(row.name);
  if (compares_sets(report))
    json["set_reference"] = {
        {"name", report.set_reference.name},
        {"pictures", report.set_reference.pictures > 0 ? Json(report.set_reference.pictures) : Json()}};
  for (const SetMetric* metric : report.request.set_metrics) json["features"][metric->name] = metric->features;
  for (const ArmReport& arm : report.arms) {
    Json entry = {
        {"label", arm.arm.label}, {"arm", arm.arm.text}, {"pictures", arm.pictures}, {"metrics", Json::object()}};
    for (const auto& value : arm.values) entry["metrics"][value.first] = metric_json(arm, value.first);
    for (const auto& [name, value] : arm.set_values) entry["set_metrics"][name] = number(value);
    json["arms"].push_back(std::move(entry));
  }
  for (size_t a = 0; a < report.arms.size(); ++a)
    for (size_t b = a + 1; b < report.arms.size(); ++b)
      for (const EvaluationMetric* metric : report.request.metrics) {
        if (!report.arms[a].values.contains(metric->name) || !report.arms[b].values.contains(metric->name)) continue;
        Json entry = interval_json(paired_difference(report.arms[a], report.arms[b], metric->name));
        entry["from"] = report.arms[a].arm.label, entry["to"] = report.arms[b].arm.label,
        entry["metric"] = metric->name;
        json["differences"].push_back(std::move(entry));
      }
  return json;
}

Json report_json(const EvaluationReport& report) {
  Json json = {{"format", "nibble evaluation 1"},   {"program", report.request.program},
               {"networks", networks_json(report)}, {"machine", report.machine},
               {"quality", quality_json(report)},   {"arms", Json::array()}};
  for (const ArmReport& arm : report.arms) {
    json["arms"].push_back({{"label", arm.arm.label},
                            {"model_bytes", arm.file_bytes},
                            {"unet_bytes", arm.unet_bytes},
                            {"files", files_json(arm)},
                            {"cost", cost_json(arm)},
                            {"mean_layer_error", arm.mean_error},
                            {"layers", arm.layers}});
    if (const auto& predicted = arm.predicted)
      json["arms"].back()["predicted"] = {{"seconds", predicted->seconds},
                                          {"peak_bytes", predicted->peak_bytes},
                                          {"mean_peak_bytes", predicted->mean_bytes}};
  }
  return json;
}

std::string table_markdown(const EvaluationReport& report) {
  std::string text = to_markdown(make_table(report, true));
  text +=
      "\nMeans over pictures, ± half the 95 % interval (Student's t); pictures identical to the reference's are left "
      "out of "
      "PSNR.\n";
  text += pooled_text(report) + set_reference_text(report);
  text += "s/picture: median without the first picture. peak: resident size of the process while it draws.\n\n";
  if (const Table stages = stage_table(report.arms); !stages.rows.empty())
    text +=
        to_markdown(stages) + "\nMedian seconds, and mean and largest resident size of the process in each stage.\n\n";
  text += "Protocol:";
  for (const auto& [key, value] : report.protocol.items()) text += fmt::format(" {} {};", key, value_text(value));
  return text + "\n";
}

std::string table_csv(const EvaluationReport& report) {
  const Table table = make_table(report, false);
  std::string text;
  const auto line = [&text](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) text += fmt::format("{}{}", i == 0 ? "" : ",", csv_cell(cells[i]));
    text += "\n";
  };
  line(table.header);
  for (const auto& row : table.rows) line(row);
  return text;
}

}  // namespace nibble
