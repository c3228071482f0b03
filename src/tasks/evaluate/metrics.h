// The metrics of an evaluation: those of picture pairs (metrics/pair_metric.h) and those that need a published network, as one list.
// Adding one is a row.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "metrics/pair_metric.h"
#include "tasks/evaluate/set_metrics.h"

namespace nibble {

// The pictures of one arm in the prompts' order.
struct PictureSet {
  std::vector<std::filesystem::path> pictures;
  std::vector<std::filesystem::path> references;  // of paired metrics, else empty
  std::vector<std::string> texts;
};

struct EvaluationMetric {
  const char* name;   // in options and JSON
  const char* title;  // as printed
  int digits;
  bool higher_is_better;
  bool paired;   // needs references
  const char* about;
  // One value a picture. Throws Error{NotFound} that says where to get a network that is absent.
  std::vector<double> (*measure)(Context& context, const PictureSet& set);
  const PairMetric* pair = nullptr;  // instead of `measure`

  // Throws as `measure` does, before any picture is drawn.
  void (*require)() = nullptr;
};

const std::vector<EvaluationMetric>& evaluation_metrics();

struct ChosenMetrics {
  std::vector<const EvaluationMetric*> pictures;  // a value a picture
  std::vector<const SetMetric*> sets;             // a value an arm
};

// "psnr,clip-score,fid". Throws Error{InvalidArgument} with the known names, and what the metrics' `require` throw.
ChosenMetrics parse_evaluation_metrics(std::string_view comma_list);

// The values of one metric; progress "NAME LABEL".
std::vector<double> measure_metric(Context& context, const EvaluationMetric& metric, const PictureSet& set, const std::string& label);

}  // namespace nibble
