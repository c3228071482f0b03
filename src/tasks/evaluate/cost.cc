#include "tasks/evaluate/cost.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "metrics/statistics.h"

namespace nibble {
namespace {

// In the order of a run.
constexpr const char* kTimedStages[] = {"text", "load", "encode", "denoise", "decode"};
constexpr const char* kMemoryStages[] = {"text", "encode", "denoise", "decode"};

std::vector<PictureCost> warm(const ArmReport& arm) {
  std::vector<PictureCost> costs = arm.costs;
  std::erase_if(costs, [](const PictureCost& cost) { return !cost.warm; });
  return costs.empty() ? arm.costs : costs;
}

using StageValues = std::map<std::string, double> PictureCost::*;

// Of every picture that has the stage.
std::vector<double> of_stage(const std::vector<PictureCost>& costs, StageValues values, const std::string& stage) {
  std::vector<double> found;
  for (const PictureCost& cost : costs)
    if (const auto value = (cost.*values).find(stage); value != (cost.*values).end()) found.push_back(value->second);
  return found;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

// The stages that took any time; pictures drawn from words encode none.
bool seen(const std::vector<double>& values) {
  return std::ranges::any_of(values, [](double v) { return v > 0; });
}

}  // namespace

std::vector<double> warm_seconds(const ArmReport& arm) {
  std::vector<double> seconds;
  for (const PictureCost& cost : warm(arm)) seconds.push_back(cost.total);
  return seconds;
}

double largest_peak(const ArmReport& arm) {
  double most = 0;
  for (const PictureCost& cost : warm(arm)) most = std::max(most, cost.peak_bytes);
  return most;
}

Json cost_json(const ArmReport& arm) {
  if (arm.costs.empty()) return nullptr;
  const std::vector<PictureCost> costs = warm(arm);
  const std::vector<double> seconds = warm_seconds(arm);
  Json json = {{"pictures", seconds.size()},      {"median", percentile(seconds, 0.5)},
               {"p90", percentile(seconds, 0.9)}, {"least", percentile(seconds, 0)},
               {"most", percentile(seconds, 1)},  {"peak_bytes", largest_peak(arm)}};
  if (const auto bound = early_stopping_percentile(seconds, 0.9)) json["p90_mlperf"] = *bound;
  std::vector<double> peaks;
  for (const PictureCost& cost : costs) peaks.push_back(cost.peak_bytes);
  json["mean_peak_bytes"] = mean(peaks);
  for (const char* stage : kTimedStages)
    if (const auto values = of_stage(costs, &PictureCost::seconds, stage); !values.empty())
      json["stages"][stage] = percentile(values, 0.5);
  for (const char* stage : kMemoryStages)
    if (const auto values = of_stage(costs, &PictureCost::stage_peaks, stage); !values.empty())
      json["stage_memory"][stage] = {{"mean_peak_bytes", mean(values)}, {"peak_bytes", percentile(values, 1)}};
  return json;
}

Table stage_table(const std::vector<ArmReport>& arms) {
  std::vector<PictureCost> all;
  for (const ArmReport& arm : arms) all.insert(all.end(), arm.costs.begin(), arm.costs.end());
  std::vector<std::string> timed, weighed;
  for (const char* stage : kTimedStages)
    if (seen(of_stage(all, &PictureCost::seconds, stage))) timed.emplace_back(stage);
  for (const char* stage : kMemoryStages)
    if (seen(of_stage(all, &PictureCost::stage_peaks, stage))) weighed.emplace_back(stage);
  Table table;
  table.header = {"arm"};
  for (const std::string& stage : timed) table.header.push_back(stage + " s");
  for (const std::string& stage : weighed) table.header.push_back(stage + " MB, mean / peak");
  for (const ArmReport& arm : arms) {
    if (arm.costs.empty()) continue;
    const std::vector<PictureCost> costs = warm(arm);
    std::vector<std::string> row{arm.arm.label};
    for (const std::string& stage : timed) {
      const auto values = of_stage(costs, &PictureCost::seconds, stage);
      row.push_back(values.empty() ? "—" : shown(percentile(values, 0.5), 3));
    }
    for (const std::string& stage : weighed) {
      const auto values = of_stage(costs, &PictureCost::stage_peaks, stage);
      row.push_back(values.empty() ? "—" : megabytes(mean(values)) + " / " + megabytes(percentile(values, 1)));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string to_markdown(const Table& table) {
  std::string text = "|";
  for (const std::string& name : table.header) text += fmt::format(" {} |", name);
  text += "\n|";
  for (size_t i = 0; i < table.header.size(); ++i) text += i == 0 ? "---|" : "--:|";
  text += "\n";
  for (const auto& row : table.rows) {
    text += "|";
    for (const std::string& cell : row) text += fmt::format(" {} |", cell);
    text += "\n";
  }
  return text;
}

std::string shown(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "—";
}

std::string megabytes(double bytes) { return bytes > 0 ? fmt::format("{:.1f}", bytes / 1e6) : "—"; }

}  // namespace nibble
