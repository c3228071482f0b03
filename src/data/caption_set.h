// A caption data set in memory, whatever its published layout: names, captions, pictures and domains in file order.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace nibble {

struct CaptionItem {
  std::string name;                   // unique in the set; seeds and names of pictures come from it
  std::string picture;                // below one of CaptionSet::pictures; empty for a prompt without a picture
  std::vector<std::string> captions;  // as published, in file order
  std::vector<std::string> domains;   // categories, the most fitting first; may be empty
  std::string split;                  // "train", "val", …; empty where the set has none
  std::filesystem::path caption_file = {};  // where the captions stand or should; empty where they share the set's file
};

struct CaptionSet {
  std::string format;                           // row of caption_formats()
  std::filesystem::path source;                 // file or folder that was read
  std::vector<std::filesystem::path> pictures;  // folders and zip files in which the pictures are looked for, in order
  std::vector<CaptionItem> items;
};

// What is wrong with an item of a set that could be read.
enum class FaultKind { DuplicateName, NoCaption, BadText, NoPicture };

struct Fault {
  FaultKind kind;
  size_t item;
  std::string about;  // names the item, what is wanted and what was found
};

const char* fault_name(FaultKind kind);  // "duplicate names", "missing captions", …

// Doubled names (every item after the first), items without a caption, empty captions and text that is not UTF-8; with
// `pictures`, items whose picture is absent too. At most one fault an item, in the items' order.
std::vector<Fault> find_faults(const CaptionSet& set, bool pictures);

// Throws Error{Corrupt} (Error{NotFound} for a picture) with the first fault and the number of all; a set without any caption
// is named as one.
void require_sound(const CaptionSet& set, bool pictures);

// Puts `domains` in place of every item's own: the line "dogs: dog, puppies, golden retriever" of a keyword file gives
// the domain dogs to the items in which one of the words or phrases stands, whole words in any case; a final * stands
// for any ending. Lines that are empty or begin with # are skipped. Throws Error{Corrupt} for a line without a domain
// or keywords.
void apply_keywords(CaptionSet& set, const std::filesystem::path& keyword_file);

// Puts the super-categories of COCO's instances_*.json in place of the items' domains, those with most objects first.
// Items are found by the stem of file_name. Throws Error{Corrupt} for damaged files, Error{InvalidArgument} if none of
// the pictures is in it.
void apply_coco_instances(CaptionSet& set, const std::filesystem::path& instances_json);

}  // namespace nibble
