#include "text/emphasis.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace nibble {
namespace {

constexpr double kRound = 1.1;
constexpr double kSquare = 1 / 1.1;

bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80);
}

// ": 1.3 )" at the front of `text`.
struct ClosingWeight {
  double weight;
  size_t length;
};

std::optional<ClosingWeight> read_closing_weight(std::string_view text) {
  size_t at = 1;
  while (at < text.size() && is_ascii_space(text[at])) ++at;
  if (at < text.size() && text[at] == '+') ++at;
  double weight = 0;
  const char* begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), weight, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(weight)) return std::nullopt;
  if (begin[0] != '.' && begin[0] != '-' && (begin[0] < '0' || begin[0] > '9')) return std::nullopt;
  at = static_cast<size_t>(end - text.data());
  while (at < text.size() && is_ascii_space(text[at])) ++at;
  if (at >= text.size() || text[at] != ')') return std::nullopt;
  return ClosingWeight{weight, at + 1};
}

class EmphasisParser {
 public:
  std::vector<WeightedText> parse(std::string_view prompt) {
    while (!prompt.empty()) prompt.remove_prefix(step(prompt));
    for (const size_t begin : round_) scale_from(begin, kRound);
    for (const size_t begin : square_) scale_from(begin, kSquare);
    return joined();
  }

 private:
  // Reads one item at the front of `text` and returns its length.
  size_t step(std::string_view text) {
    const char c = text.front();
    if (c == '\\') return escape(text);
    if (c == '(' || c == '[') {
      (c == '(' ? round_ : square_).push_back(items_.size());
      return 1;
    }
    if (c == ':' && !round_.empty()) {
      if (const auto closing = read_closing_weight(text)) {
        close(round_, closing->weight);
        return closing->length;
      }
    }
    if (c == ')' && !round_.empty()) {
      close(round_, kRound);
      return 1;
    }
    if (c == ']' && !square_.empty()) {
      close(square_, kSquare);
      return 1;
    }
    const size_t length = std::max<size_t>(1, text.find_first_of("\\()[]:"));
    add_text(text.substr(0, length));
    return std::min(length, text.size());
  }

  size_t escape(std::string_view text) {
    const bool special = text.size() > 1 && std::string_view("()[]\\").find(text[1]) != std::string_view::npos;
    if (special) items_.push_back({std::string(1, text[1]), 1, false});
    return special ? 2 : 1;
  }

  // Splits at the word BREAK, which takes the space around it away.
  void add_text(std::string_view text) {
    constexpr std::string_view kBreak = "BREAK";
    size_t begin = 0;
    for (size_t at = text.find(kBreak); at != std::string_view::npos; at = text.find(kBreak, at + 1)) {
      size_t after = at + kBreak.size();
      if ((at > 0 && is_word(text[at - 1])) || (after < text.size() && is_word(text[after]))) continue;
      size_t before = at;
      while (before > begin && is_ascii_space(text[before - 1])) --before;
      while (after < text.size() && is_ascii_space(text[after])) ++after;
      items_.push_back({std::string(text.substr(begin, before - begin)), 1, false});
      items_.push_back({{}, 1, true});
      begin = after;
    }
    items_.push_back({std::string(text.substr(begin)), 1, false});
  }

  void close(std::vector<size_t>& stack, double factor) {
    scale_from(stack.back(), factor);
    stack.pop_back();
  }

  void scale_from(size_t begin, double factor) {
    for (size_t i = begin; i < items_.size(); ++i) items_[i].weight *= factor;
  }

  std::vector<WeightedText> joined() const {
    std::vector<WeightedText> out;
    for (const WeightedText& item : items_) {
      if (item.text.empty() && !item.is_break) continue;
      const bool joins = !out.empty() && !out.back().is_break && !item.is_break && out.back().weight == item.weight;
      if (joins) {
        out.back().text += item.text;
      } else {
        out.push_back(item);
      }
    }
    if (out.empty()) out.push_back({{}, 1, false});
    return out;
  }

  std::vector<WeightedText> items_;
  std::vector<size_t> round_, square_;  // index of the first item inside each open bracket
};

}  // namespace

std::vector<WeightedText> parse_emphasis(std::string_view prompt) { return EmphasisParser().parse(prompt); }

}  // namespace nibble
