// nibble dataset: reads, checks, cleans, chooses from and exports caption data sets.
#include "tasks/dataset.h"

#include <cstdio>

#include "apps/cli/command.h"
#include "base/error.h"
#include "data/formats.h"

namespace nibble::cli {
namespace {

struct Options {
  DatasetRequest request;
  std::string order = "file", caption = "first";
  bool keep_text = false;
};

std::string footer() {
  std::string text = "Data sets (--dataset NAME, --data PATH):\n";
  for (const CaptionFormat& row : caption_formats())
    text += format("  {:<13} {}\n  {:<13}   {}\n", row.name, row.about, "", row.layout);
  text +=
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
  return text;
}

void run(Options o, const Common& common) {
  const auto context = make_context(common);
  o.request.selection.order = prompt_order_from_name(o.order).value();
  o.request.selection.caption = caption_choice_from_name(o.caption).value();
  o.request.selection.clean = !o.keep_text;
  const DatasetResult result = make_dataset(*context, o.request);
  if (common.json) {
    std::printf("%s\n", dataset_json(result).dump(2, ' ', false, OrderedJson::error_handler_t::replace).c_str());
  } else {
    std::printf("%s", dataset_text(result).c_str());
  }
}

void add_sources(CLI::App* c, DatasetRequest& r) {
  c->add_option("data,--data", r.data, "The data set's file or folder; not needed for emoji");
  c->add_option("--dataset", r.dataset, "Its layout, one of the names below [told by the path]");
  c->add_option("--pictures", r.pictures, "A folder or zip of its pictures, when they are not in their usual place");
  c->add_option("--split", r.split, "Only this split of the data set, e.g. val, test, held-out");
  c->add_option("--instances", r.instances, "COCO's instances_*.json: the domains are its super-categories");
  c->add_option("--keywords", r.keywords, "A file of domains, a line each: 'dogs: dog, puppies, golden retriev*'");
}

void add_filters(CLI::App* c, Options& o) {
  DatasetRequest& r = o.request;
  c->add_flag("--skip-faulty", r.skip_faulty, "Leave faulty items out and count them, instead of refusing the set");
  c->add_flag("--require-pictures", r.require_pictures, "An item without its picture is faulty");
  c->add_option("--min-words", r.min_words, "Captions of at least so many words")->check(CLI::NonNegativeNumber);
  c->add_option("--max-words", r.max_words, "Captions of at most so many words")->check(CLI::NonNegativeNumber);
  c->add_option("--match", r.match, "Captions with one of these words or phrases (a,b)")
      ->delimiter(',')
      ->allow_extra_args(false);
  c->add_option("--exclude", r.exclude, "Captions with none of these words or phrases (a,b)")
      ->delimiter(',')
      ->allow_extra_args(false);
  c->add_flag("--unique", r.unique, "Leave out items whose caption an earlier one has");
  c->add_flag("--keep-text", o.keep_text,
              "Texts byte for byte; otherwise control characters and runs of blanks become one blank");
}

void add_choice(CLI::App* c, Options& o) {
  DatasetRequest& r = o.request;
  c->add_option("--domain", r.selection.domains, "Only these domains (a,b)")->delimiter(',')->allow_extra_args(false);
  c->add_option("--count", r.selection.count, "How many prompts [all]")->check(CLI::PositiveNumber);
  c->add_option("--order", o.order,
                "file: the first; random: by --seed; svdquant: shuffled with 0, the first, sorted by name [file]")
      ->check(CLI::IsMember({"file", "random", "svdquant"}));
  c->add_option("--seed", r.selection.seed, "Of --order random, --caption random and --splits [0]");
  c->add_option("--caption", o.caption,
                "Which of an item's captions: first, longest, random, by-name (SVDQuant's, for COCO) [first]")
      ->check(CLI::IsMember({"first", "longest", "random", "by-name"}));
}

void add_output(CLI::App* c, DatasetRequest& r) {
  c->add_option("--prefix", r.prefix, "A second arm: this before every text");
  c->add_option("--suffix", r.suffix, "A second arm: this after every text");
  c->add_option("--splits", r.splits, "New splits by fractions, e.g. train=0.9,val=0.1");
  c->add_option("--out", r.out, "Folder for metadata.jsonl, affixed.jsonl and pictures/ [nothing is written]");
  c->add_flag("--copy-pictures", r.copy_pictures, "Copy pictures instead of linking them");
}

}  // namespace

void add_dataset(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto o = std::make_shared<Options>();
  CLI::App* c =
      app.add_subcommand("dataset", "Read, check, clean and choose from caption data sets; export metadata.jsonl");
  add_sources(c, o->request);
  add_filters(c, *o);
  add_choice(c, *o);
  add_output(c, o->request);
  c->footer(footer());
  c->callback([o, &common, &run_command] { run_command = [o, &common] { run(*o, common); }; });
}

}  // namespace nibble::cli
