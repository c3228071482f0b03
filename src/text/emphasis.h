// The bracket syntax of AUTOMATIC1111's prompts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nibble {

struct WeightedText {
  std::string text;
  double weight;
  bool is_break;  // the word BREAK: a new chunk begins here; `text` is empty
};

// (x) multiplies the weight of x by 1.1, [x] divides it by 1.1, (x:1.3) multiplies it by 1.3; they nest. A backslash takes
// the meaning from the next bracket or backslash. Brackets that are never closed hold to the end; closing ones without a
// partner are literal. Neighbours of equal weight are joined. An empty prompt gives one empty text.
std::vector<WeightedText> parse_emphasis(std::string_view prompt);

}  // namespace nibble
