// Measures of how far one picture is from another. One file each; registry.cc lists them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "image/image.h"

namespace nibble {

struct PairMetric {
  const char* name;   // in options and JSON
  const char* title;  // as printed
  int digits;         // after the point, as printed
  bool higher_is_better;
  const char* about;
  // RGB pictures of one size. Throws Error{InvalidArgument} where the measure needs larger ones.
  double (*measure)(const Image& reference, const Image& image);
};

std::span<const PairMetric> pair_metrics();

// Throws Error{InvalidArgument} with the known names.
const PairMetric& find_pair_metric(std::string_view name);

// "psnr,ssim"; an empty list means the default ones. Throws as find_pair_metric.
std::vector<const PairMetric*> parse_pair_metrics(std::string_view comma_list);

}  // namespace nibble
