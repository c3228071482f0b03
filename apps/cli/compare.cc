// nibble compare: how far pictures are from each other.
#include <cstdio>

#include "apps/cli/command.h"
#include "metrics/compare.h"

namespace nibble::cli {
namespace {

struct CompareFlags {
  std::string reference, other, metrics;
};

std::string metric_list() {
  std::string text = "Metrics (--metrics a,b):\n";
  for (const PairMetric& row : pair_metrics()) text += format("  {:<10} {}\n", row.name, row.about);
  return text;
}

void run_compare(const CompareFlags& o, const Common& common) {
  const auto context = make_context(common);
  const Comparison result = compare_pictures(*context, o.reference, o.other, parse_pair_metrics(o.metrics));
  if (common.json) std::printf("%s\n", comparison_json(result).dump(2).c_str());
  else std::printf("%s", comparison_text(result).c_str());
}

}  // namespace

void add_compare(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto o = std::make_shared<CompareFlags>();
  CLI::App* c = app.add_subcommand("compare", "How far two pictures, or two folders of pictures, are from each other: PSNR, SSIM");
  c->add_option("reference", o->reference, "A picture or a folder")->required();
  c->add_option("other", o->other, "A picture or a folder with the same names")->required();
  c->add_option("--metrics", o->metrics, "Comma-separated [psnr,ssim]");
  c->footer(metric_list());
  c->callback([o, &common, &run_command] { run_command = [o, &common] { run_compare(*o, common); }; });
}

}  // namespace nibble::cli
