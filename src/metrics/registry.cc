#include <algorithm>
#include <array>

#include "base/error.h"
#include "metrics/difference.h"
#include "metrics/pair_metric.h"
#include "metrics/ssim.h"

namespace nibble {
namespace {

constexpr std::array kMetrics = {
    PairMetric{"psnr", "PSNR dB", 3, true,
               "peak signal to noise ratio over all channels, in dB; infinite for equal pictures", psnr},
    PairMetric{"ssim", "SSIM", 5, true, "structural similarity, mean of the whole map (torchmetrics 1.5 and later)",
               ssim},
    PairMetric{"ssim_valid", "SSIM valid", 5, true,
               "structural similarity without a border of 5 pixels (older torchmetrics)", ssim_valid},
    PairMetric{"ms_ssim", "MS-SSIM", 5, true, "structural similarity at five scales; needs 176 pixels a side", ms_ssim},
    PairMetric{"ms_ssim_4", "MS-SSIM 4", 5, true, "the same at four scales; needs 88 pixels a side", ms_ssim_4},
    PairMetric{"ms_ssim_valid", "MS-SSIM valid", 5, true,
               "ms_ssim without a border of 5 pixels at the last scale (pytorch-msssim)", ms_ssim_valid},
    PairMetric{"mae", "MAE", 4, false, "mean absolute difference of 8-bit values", mean_absolute_difference},
    PairMetric{"max", "max", 0, false, "largest difference of 8-bit values", largest_difference},
};

constexpr std::string_view kDefault = "psnr,ssim,max";

}  // namespace

std::span<const PairMetric> pair_metrics() { return kMetrics; }

const PairMetric& find_pair_metric(std::string_view name) {
  const auto found =
      std::find_if(kMetrics.begin(), kMetrics.end(), [&](const PairMetric& m) { return name == m.name; });
  if (found != kMetrics.end()) return *found;
  std::string known;
  for (const PairMetric& metric : kMetrics) known += (known.empty() ? "" : ", ") + std::string(metric.name);
  fail(ErrorCode::InvalidArgument, "metric \"{}\": want one of {}", name, known);
}

std::vector<const PairMetric*> parse_pair_metrics(std::string_view comma_list) {
  std::string_view rest = comma_list.empty() ? kDefault : comma_list;
  std::vector<const PairMetric*> metrics;
  while (true) {
    const size_t comma = rest.find(',');
    metrics.push_back(&find_pair_metric(rest.substr(0, comma)));
    if (comma == std::string_view::npos) return metrics;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace nibble
