// Which prompts of a data set are drawn and with which seeds: the choice of SVDQuant's evaluation,
// random prompts of a domain, cleaned texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/caption_set.h"

namespace nibble {

// Python's random.Random(seed).shuffle(list(range(count))).
std::vector<int64_t> python_shuffle(int64_t count, uint64_t seed);

// SVDQuant's hash of a name, h = (31 h + code point) mod 1,000,000,007: the seed of its picture.
uint64_t name_hash(std::string_view name);

enum class CaptionChoice {
  First,
  Longest,  // by characters, the first of equals
  Random,   // by seed and name, whatever else is chosen
  ByName,   // name_hash(name) mod number of captions, as SVDQuant chooses among COCO's
};

enum class PromptOrder {
  File,      // the first `count`
  Random,    // python_shuffle(seed), the first `count`, in the file's order
  SvdQuant,  // python_shuffle(0) of all, the first `count`, sorted by name
};

std::optional<CaptionChoice> caption_choice_from_name(std::string_view name);  // first, longest, random, by-name
std::optional<PromptOrder> prompt_order_from_name(std::string_view name);      // file, random, svdquant

struct PromptSelection {
  std::vector<std::string> domains;  // an item with any of them is taken; empty: all
  int64_t count = 0;                 // 0: all
  PromptOrder order = PromptOrder::File;
  CaptionChoice caption = CaptionChoice::First;
  uint64_t seed = 0;
  bool clean = false;  // clean_caption() of the text
};

struct ChosenPrompt {
  std::string name, text;
  uint64_t seed = 0;  // of its picture's noise: name_hash(name)
  size_t item = 0;    // index in CaptionSet::items
};

// The items must be sound (require_sound). Throws Error{InvalidArgument} for a domain that no item has, naming those
// there are, and for a count beyond the items that are left.
std::vector<ChosenPrompt> choose_prompts(const CaptionSet& set, const PromptSelection& selection);

// Control characters and runs of white space become one blank, outer ones go.
std::string clean_caption(std::string_view caption);

// prefix + text + suffix, as they are.
std::string affixed(std::string_view text, std::string_view prefix, std::string_view suffix);

struct DomainCount {
  std::string name;
  int64_t items;
};
std::vector<DomainCount> count_domains(const CaptionSet& set);  // by number, then name

}  // namespace nibble
