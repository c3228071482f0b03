// metadata.jsonl: one JSON object a line, as Hugging Face's image folders have it and as `nibble dataset` writes it.
//
//   file_name  the picture, relative to the file; absent for a prompt alone
//   text       the caption; other readers take it
//   captions   all captions, when there are several
//   name       default: file_name without folder and extension, else the line's number
//   domains    array of strings; "category" (one string) is read too
//   split      optional
//   seed       written for other programs: name_hash(name), which does not depend on the row's place
#pragma once

#include "data/caption_set.h"

namespace nibble {

struct MetadataRow {
  std::string name, file_name, text, split;
  std::vector<std::string> captions, domains;
  uint64_t seed = 0;
};

// One line, with its end. Members that are empty are left out.
std::string metadata_line(const MetadataRow& row);

}  // namespace nibble
