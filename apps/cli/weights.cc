// nibble weights: the published files that metrics need.
#include "tasks/weights.h"

#include <algorithm>
#include <cstdio>

#include "apps/cli/command.h"
#include "base/error.h"
#include "tasks/bench_network.h"

namespace nibble::cli {
namespace {

constexpr const char* kFooter =
    "Nothing is downloaded: get a file once from the place that `nibble weights list` names, then add it.\n\n"
    "Examples:\n"
    "  nibble weights list\n"
    "  nibble weights add lpips-alex alex.pth\n"
    "  nibble weights add clip-vit-l-14 ViT-L-14.pt --link\n"
    "  nibble weights add clip-vit-l-14 model.safetensors --unverified     the same network from another publisher\n"
    "  nibble weights check                                                 reads every added file again\n"
    "\nFiles are kept in $NIBBLE_CACHE/weights [~/.cache/nibble/weights]. See docs/weights.md.";

void print(const std::vector<WeightsStatus>& rows, const Common& common) {
  if (common.json)
    std::printf("%s\n", weights_json(rows).dump(2).c_str());
  else
    std::printf("%s", weights_text(rows).c_str());
}

void add(const AddWeights& request, const Common& common) {
  const auto context = make_context(common);
  const WeightsStatus added = add_weights(*context, request);
  if (common.json) return print({added}, common);
  std::printf("%s: %s %s\n", added.row->name, request.link ? "linked as" : "copied to", added.file.c_str());
  const char* meaning = added.state == WeightsState::Verified ? "the published checksum"
                        : added.row->sha256.empty()           ? "none is published; the structure fits"
                                                              : "not the published one, accepted; the structure fits";
  std::printf("sha256 %s (%s)\n", added.sha256.c_str(), meaning);
}

void check(const std::string& name, const Common& common) {
  const auto context = make_context(common);
  const std::vector<WeightsStatus> rows = check_weights(*context, name);
  const bool damaged =
      std::ranges::any_of(rows, [](const WeightsStatus& row) { return row.state == WeightsState::Damaged; });
  if (!damaged || !common.json) print(rows, common);  // with --json the error is the one document
  for (const WeightsStatus& row : rows)
    if (row.state == WeightsState::Damaged)
      fail(ErrorCode::Corrupt, "weights {}: {}: {}", row.row->name, row.file.string(), row.note);
}

void measure_speed(const NetworkBench& asked, int runs, const Common& common) {
  const auto context = make_context(common);
  const NetworkBench found = bench_network(*context, asked.network, asked.batch, runs);
  if (common.json) return print_json(to_json(found));
  std::printf("%s, %lld pictures at once, %d threads: %.3f s, %.2f pictures/s\n", found.network.c_str(),
              static_cast<long long>(found.batch), context->threads.size(), found.seconds, found.rate());
}

}  // namespace

void add_weights(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto request = std::make_shared<AddWeights>();
  CLI::App* c = app.add_subcommand("weights", "The published network files that metrics need: list, add, check");
  c->require_subcommand(1);
  c->fallthrough();
  c->footer(kFooter);

  CLI::App* list =
      c->add_subcommand("list", "Every known file: whether it is there, its licence, who needs it, where to get it");
  list->callback([&common, &run_command] { run_command = [&common] { print(list_weights(), common); }; });

  CLI::App* add_one = c->add_subcommand("add", "Check a downloaded file and put it in its place");
  add_one->add_option("name", request->name, "As `nibble weights list` names it")->required();
  add_one->add_option("file", request->file, "The downloaded file")->required();
  add_one->add_flag("--link", request->link, "Link to the file instead of copying it");
  add_one->add_flag("--unverified", request->unverified,
                    "Accept another checksum than the published one if the structure fits");
  add_one->callback([request, &common, &run_command] { run_command = [request, &common] { add(*request, common); }; });

  CLI::App* check_all = c->add_subcommand("check", "Read added files again and compare checksum and structure");
  check_all->add_option("name", request->name, "Only this one");
  check_all->callback(
      [request, &common, &run_command] { run_command = [request, &common] { check(request->name, common); }; });

  CLI::App* time = c->add_subcommand("time", "Pictures a second of an added Inception or CLIP network");
  const auto timing = std::make_shared<NetworkBench>();
  const auto runs = std::make_shared<int>(3);
  timing->batch = 8;
  time->add_option("name", timing->network, "inception-fid, clip-vit-b-32, clip-vit-b-16 or clip-vit-l-14")->required();
  time->add_option("--batch", timing->batch, "Pictures at once [8]")->check(CLI::Range(1, 1024));
  time->add_option("--runs", *runs, "Runs to take the best of [3]")->check(CLI::Range(1, 1000));
  time->callback([timing, runs, &common, &run_command] {
    run_command = [timing, runs, &common] { measure_speed(*timing, *runs, common); };
  });

  CLI::App* path = c->add_subcommand("path", "Print where a file is; an error where it is absent");
  path->add_option("name", request->name, "As `nibble weights list` names it")->required();
  path->callback([request, &common, &run_command] {
    run_command = [request, &common] {
      const std::string file = require_weights(request->name).string();
      if (common.json)
        print_json({{"name", request->name}, {"path", file}});
      else
        std::printf("%s\n", file.c_str());
    };
  });
}

}  // namespace nibble::cli
