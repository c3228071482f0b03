// nibble statistics: what Fréchet distances are measured against, made once.
#include "tasks/statistics.h"

#include <algorithm>
#include <cstdio>

#include "apps/cli/command.h"
#include "tasks/evaluate/set_metrics.h"

namespace nibble::cli {
namespace {

std::string footer() {
  std::string text =
      "  nibble statistics coco/val2014 --features pytorch-fid --out val2014.npz\n"
      "  nibble statistics part1.safetensors part2.safetensors --features clean-fid --out all.safetensors\n"
      "  nibble evaluate sd15/@bf16 sd15-w4.safetensors --data captions_val2014.json --metrics fid --fid-reference "
      "val2014.npz "
      "--out report\n\n"
      "The same command goes on where it was stopped. 'mpirun -n 4 nibble statistics ...' shares the pictures among "
      "four\n"
      "processes; the file is the same. Files of other tools are read too: .npz with mu and sigma.\n\nFeatures "
      "(--features):\n";
  for (const FeatureKind& kind : feature_kinds()) text += format("  {:<22} {}\n", kind.name, kind.about);
  return text;
}

void run_statistics(StatisticsRequest request, const Common& common) {
  request.ranks = ranks_from_environment();
  Common own = common;
  if (own.threads == 0) own.threads = std::max(1, default_thread_count() / request.ranks.local_size);
  own.quiet = own.quiet || !request.ranks.first();
  const auto context = make_context(own);
  const StatisticsResult result = make_statistics(*context, request);
  if (!request.ranks.first()) return;
  if (common.json) return print_json(to_json(result));
  std::printf("%s", statistics_text(result).c_str());
}

}  // namespace

void add_statistics(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto request = std::make_shared<StatisticsRequest>();
  CLI::App* c = app.add_subcommand("statistics", "Feature statistics of pictures, as references of Fréchet distances");
  c->add_option("inputs", request->inputs, "Folders of pictures, or .safetensors of this command to merge")->required();
  c->add_option("--features", request->features, "Network and pipeline, see below [clean-fid]");
  c->add_option("--out", request->out, "The file: .npz (mu, sigma) or .safetensors (can be merged)")->required();
  c->footer(footer());
  c->callback([request, &common, &run_command] { run_command = [request, &common] { run_statistics(*request, common); }; });
}

}  // namespace nibble::cli
