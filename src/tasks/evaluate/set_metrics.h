// Metrics of whole sets of pictures: how far an arm's are from another set's, or how varied they are. Adding one is a row.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/context.h"

namespace nibble {

struct SetMetric {
  const char* name;  // in options, JSON and tables; says the network and the pipeline
  const char* about;
  bool reference;    // compares with another set
  // Throws Error{NotFound} for an absent network, Error{InvalidArgument} for sets that are too small.
  double (*measure)(Context& context, const std::vector<std::filesystem::path>& pictures, const std::vector<std::filesystem::path>& reference);
  void (*require)();  // may be null
};

const std::vector<SetMetric>& set_metrics();
const SetMetric* find_set_metric(std::string_view name);  // null where there is none

}  // namespace nibble
