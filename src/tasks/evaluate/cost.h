// What an arm's pictures took, for the report: times and memory, of whole pictures and by stage.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "tasks/evaluate/evaluate.h"

namespace nibble {

// The seconds of all pictures but the first of each process, which warms caches up and counts only where there are no
// others.
std::vector<double> warm_seconds(const ArmReport& arm);
double largest_peak(const ArmReport& arm);  // bytes
// Null for an arm that drew nothing.
Json cost_json(const ArmReport& arm);

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};

// Seconds and megabytes of each stage, a row an arm that drew.
Table stage_table(const std::vector<ArmReport>& arms);
std::string to_markdown(const Table& table);

std::string shown(double value, int digits);  // a dash for what is not finite
std::string megabytes(double bytes);          // a dash for nothing

}  // namespace nibble
