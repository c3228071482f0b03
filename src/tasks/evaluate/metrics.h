// The metrics of an evaluation: those of picture pairs (metrics/pair_metric.h) and those that need a published network,
// as one list. Adding one is a row.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "metrics/pair_metric.h"
#include "tasks/evaluate/set_metrics.h"
#include "tasks/evaluate/shards.h"

namespace nibble {

struct EvaluationMetric {
  const char* name;   // in options and JSON
  const char* title;  // as printed
  int digits;
  bool higher_is_better;
  bool paired;  // needs references
  const char* about;
  std::function<Measure(Context& context)> open;  // one value a picture
  // Of the network. Throws Error{NotFound} that says where to get an absent one. Null without a network.
  std::vector<std::filesystem::path> (*files)() = nullptr;
  const PairMetric* pair = nullptr;

  MeasureSource source() const {
    return {name, open, files == nullptr ? std::vector<std::filesystem::path>{} : files()};
  }
};

const std::vector<EvaluationMetric>& evaluation_metrics();

struct ChosenMetrics {
  std::vector<const EvaluationMetric*> pictures;  // a value a picture
  std::vector<const SetMetric*> sets;             // a value an arm
};

// "psnr,clip-score,fid". Throws Error{InvalidArgument} with the known names, and Error{NotFound} for absent networks.
ChosenMetrics parse_evaluation_metrics(std::string_view comma_list);

}  // namespace nibble
