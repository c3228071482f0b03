#include "apps/cli/dataset_options.h"

#include "base/error.h"

#include "data/formats.h"

namespace nibble::cli {
namespace {

void add_sources(CLI::App* c, DatasetRequest& r, bool positional) {
  c->add_option(positional ? "data,--data" : "--data", r.data, "The data set's file or folder; not needed for emoji");
  c->add_option("--dataset", r.dataset, "Its layout, one of the names below [told by the path]");
  c->add_option("--pictures", r.pictures, "A folder or zip of its pictures, when they are not in their usual place");
  c->add_option("--split", r.split, "Only this split of the data set, e.g. val, test, held-out");
  c->add_option("--instances", r.instances, "COCO's instances_*.json: the domains are its super-categories");
  c->add_option("--keywords", r.keywords, "A file of domains, a line each: 'dogs: dog, puppies, golden retriev*'");
}

void add_filters(CLI::App* c, DatasetOptions& o) {
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

void add_choice(CLI::App* c, DatasetOptions& o) {
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

}  // namespace

void add_dataset_options(CLI::App& command, DatasetOptions& o, bool positional) {
  add_sources(&command, o.request, positional);
  add_filters(&command, o);
  add_choice(&command, o);
  command.add_option("--prefix", o.request.prefix, "A second form of the prompts: this before every text");
  command.add_option("--suffix", o.request.suffix, "A second form of the prompts: this after every text");
}

DatasetRequest finished_dataset(const DatasetOptions& o) {
  DatasetRequest request = o.request;
  request.selection.order = prompt_order_from_name(o.order).value();
  request.selection.caption = caption_choice_from_name(o.caption).value();
  request.selection.clean = !o.keep_text;
  return request;
}

std::string dataset_list() {
  std::string text = "Data sets (--dataset NAME, --data PATH):\n";
  for (const CaptionFormat& row : caption_formats())
    text += format("  {:<13} {}\n  {:<13}   {}\n", row.name, row.about, "", row.layout);
  return text;
}

}  // namespace nibble::cli
