// A caption data set made ready for drawing or tuning: read in its published layout, checked, cleaned, filtered, chosen
// from, split, and written as metadata.jsonl with its pictures.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/json.h"
#include "data/choose.h"

namespace nibble {

struct DatasetRequest {
  std::string dataset;              // name of a format; empty: told by the path
  std::filesystem::path data;       // empty: only for emoji, the built-in model's captions
  std::filesystem::path pictures;   // a folder or zip that is looked in first
  std::filesystem::path instances;  // COCO's instances_*.json: domains are super-categories
  std::filesystem::path keywords;   // domains by keywords
  std::string split;                // of the data set; empty: all, or the usual one

  bool skip_faulty = false;              // leave faulty items out instead of refusing the set
  bool require_pictures = false;         // an item without its picture is faulty
  int64_t min_words = 0, max_words = 0;  // of a caption; 0: no bound
  std::vector<std::string> match,
      exclude;          // words or phrases, one of which a caption must have; none of which it may have
  bool unique = false;  // items whose chosen caption an earlier one has are left out
  PromptSelection selection;
  std::string prefix, suffix;  // a second arm, affixed.jsonl, with these around the text; same names and seeds

  std::string splits;          // "train=0.9,val=0.1": new splits by Random(seed).shuffle
  std::filesystem::path out;   // folder; empty: nothing is written
  bool copy_pictures = false;  // pictures are linked otherwise; those in zip files are always copied
};

struct DatasetRow {
  std::string name, text, affixed, picture, split;
  std::vector<std::string> domains;
  uint64_t seed = 0;
};

struct DatasetResult {
  std::string format;
  std::filesystem::path source;
  int64_t items = 0, captions = 0;          // as read
  std::map<std::string, int64_t> left_out;  // reason -> items
  std::vector<DomainCount> domains;         // of the items that are left after filtering
  std::vector<DatasetRow> rows;
  std::map<std::string, int64_t> splits;
  std::vector<std::filesystem::path> written;
  int64_t pictures = 0;  // linked or copied
};

// The set of the request's dataset and data, with its domains; not yet checked. Throws what read_captions throws,
// Error{InvalidArgument} without data.
CaptionSet open_dataset(const DatasetRequest& request);

// Does all of it. Throws what open_dataset, require_sound and choose_prompts throw, Error{InvalidArgument} if filters
// leave nothing or splits are not fractions that add up to 1, Error{Corrupt} for names that lead out of the folder,
// Error{Io}. Reports "pictures".
DatasetResult make_dataset(Context& context, const DatasetRequest& request);

std::string dataset_text(const DatasetResult& result);
OrderedJson dataset_json(const DatasetResult& result);  // every row included

}  // namespace nibble
