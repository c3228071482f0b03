// The table of caption data sets in their published layouts.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/caption_set.h"

namespace nibble {

struct ReadRequest {
  std::filesystem::path path;  // a file or folder of the layout
  std::string split;           // empty: the format's usual one for evaluation, or all
};

struct CaptionFormat {
  const char* name;
  const char* other_names;                                // separated by spaces
  const char* about;                                      // one line
  const char* layout;                                     // what the path is
  bool (*recognises)(const std::filesystem::path& path);  // by names of files only
  CaptionSet (*read)(const ReadRequest& request);
};

const std::vector<CaptionFormat>& caption_formats();

// By name or other name, without regard to case, blanks and hyphens. Throws Error{NotFound} with the nearest name;
// asked for COCO captions of a year without a release ("coco2024") it says so and offers 2014.
const CaptionFormat& caption_format(std::string_view name);

// Reads `request.path` as `format`; an empty format is recognised by the path. Only items of `request.split` stay where
// it is named. Throws Error{NotFound} for absent files, Error{Corrupt} for damage with its place, Error{Io},
// Error{InvalidArgument} for a path of no known layout and for a split that the set does not have.
CaptionSet read_captions(std::string_view format, const ReadRequest& request);

}  // namespace nibble
