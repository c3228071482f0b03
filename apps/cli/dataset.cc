// nibble dataset: reads, checks, cleans, chooses from and exports caption data sets.
#include <cstdio>

#include "apps/cli/dataset_options.h"
#include "base/error.h"

namespace nibble::cli {
namespace {

std::string footer() {
  return dataset_list() +
      "\nExamples:\n"
      "  nibble dataset --dataset emoji                               what is in it\n"
      "  nibble dataset --dataset emoji --split held-out --domain animal --order random --count 20 --seed 1 --out "
      "animals\n"
      "  nibble dataset mjhq/ --order svdquant --count 5000 --keep-text --out mjhq-5000      as SVDQuant's evaluation\n"
      "  nibble dataset coco/annotations/captions_val2014.json --instances coco/annotations/instances_val2014.json "
      "--domain animal\n"
      "  nibble dataset pets/ --skip-faulty --unique --min-words 3 --splits train=0.9,val=0.1 --copy-pictures --out "
      "ready\n"
      "  nibble dataset list.txt --prefix \"emoji of \" --suffix \", fluent 3d\" --out arms    metadata.jsonl and "
      "affixed.jsonl\n"
      "\nSeeds of pictures are a hash of the names, so they stay with a prompt whatever else is chosen. See "
      "docs/datasets.md.";
}

void run_dataset(const DatasetOptions& o, const Common& common) {
  const auto context = make_context(common);
  const DatasetResult result = make_dataset(*context, finished_dataset(o));
  if (common.json) {
    std::printf("%s\n", dataset_json(result).dump(2, ' ', false, OrderedJson::error_handler_t::replace).c_str());
  } else {
    std::printf("%s", dataset_text(result).c_str());
  }
}

void add_output(CLI::App* c, DatasetRequest& r) {
  c->add_option("--splits", r.splits, "New splits by fractions, e.g. train=0.9,val=0.1");
  c->add_option("--out", r.out, "Folder for metadata.jsonl, affixed.jsonl and pictures/ [nothing is written]");
  c->add_flag("--copy-pictures", r.copy_pictures, "Copy pictures instead of linking them");
}

}  // namespace

void add_dataset(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto o = std::make_shared<DatasetOptions>();
  CLI::App* c =
      app.add_subcommand("dataset", "Read, check, clean and choose from caption data sets; export metadata.jsonl");
  add_dataset_options(*c, *o, true);
  add_output(c, o->request);
  c->footer(footer());
  c->callback([o, &common, &run_command] { run_command = [o, &common] { run_dataset(*o, common); }; });
}

}  // namespace nibble::cli
