#include "data/yaml_prompts.h"

#include "base/error.h"
#include "base/file.h"
#include "data/readers.h"
#include "data/text_table.h"
#include "text/unicode.h"

namespace nibble {
namespace {

class Parser {
 public:
  Parser(std::string_view text, const std::string& what) : lines_(text_lines(text)), what_(what) {}

  std::vector<YamlPrompt> run() {
    std::vector<YamlPrompt> rows;
    while (next_entry()) {
      YamlPrompt row;
      row.name = scalar(true);
      skip_blanks();
      if (at_ >= line().size() || line()[at_] != ':') wrong("want 'name: prompt'");
      ++at_;
      skip_blanks();
      row.text = scalar(false);
      rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  [[noreturn]] void wrong(const char* wish) const {
    fail(ErrorCode::Corrupt, "{}: line {}: {}, found '{}'; lists of other YAML can be given as metadata.jsonl", what_,
         std::min(number_, lines_.size() - 1) + 1, wish,
         number_ < lines_.size() ? lines_[number_].substr(0, 60) : "the end");
  }

  std::string_view line() const { return lines_[number_]; }
  void skip_blanks() {
    while (at_ < line().size() && line()[at_] == ' ') ++at_;
  }

  bool next_entry() {
    for (; number_ < lines_.size(); ++number_) {
      const std::string_view text = trimmed(line());
      if (text.empty() || text.starts_with('#') || text == "---" || text == "...") continue;
      if (line()[0] == ' ' || line()[0] == '\t') wrong("want an entry at the start of the line");
      at_ = 0;
      return true;
    }
    return false;
  }

  // Leaves at_ after a key, number_ on the line after a value.
  std::string scalar(bool key) {
    const char first = at_ < line().size() ? line()[at_] : '\0';
    if (first == '\'' || first == '"') {
      std::string text = quoted(first);
      if (key) return text;
      skip_blanks();
      if (at_ < line().size() && line()[at_] != '#') wrong("want nothing after a closing quote");
      ++number_;
      return text;
    }
    if (first != '\0' && std::string_view("-?[]{}&*!|>%@`,").find(first) != std::string_view::npos) {
      const bool dash_word = first == '-' && at_ + 1 < line().size() && line()[at_ + 1] != ' ';
      if (!dash_word) wrong("want a plain or quoted text");
    }
    return key ? plain_key() : plain_value();
  }

  std::string plain_key() {
    const size_t begin = at_;
    while (at_ < line().size() && !(line()[at_] == ':' && (at_ + 1 == line().size() || line()[at_ + 1] == ' '))) ++at_;
    return std::string(trimmed(line().substr(begin, at_ - begin)));
  }

  std::string plain_value() {
    const auto without_comment = [](std::string_view text) { return trimmed(text.substr(0, text.find(" #"))); };
    std::string text(without_comment(line().substr(at_)));
    if (text.find(": ") != std::string::npos) wrong("want no second ': ' in a plain text");
    size_t empty = 0;
    for (++number_; number_ < lines_.size(); ++number_) {
      if (trimmed(line()).empty()) {
        ++empty;
        continue;
      }
      if (line()[0] != ' ') break;
      fold(text, empty);
      text += without_comment(line());
    }
    return text;
  }

  // A line end is a space; n empty lines are n line ends instead.
  static void fold(std::string& text, size_t& empty) {
    if (!text.empty() || empty > 0) text += empty == 0 ? std::string(" ") : std::string(empty, '\n');
    empty = 0;
  }

  std::string quoted(char quote) {
    const size_t first_line = number_;
    std::string text;
    size_t kept = 0;  // blanks before a line end are dropped, but not those that an escape wrote
    ++at_;
    for (;;) {
      if (at_ >= line().size()) {
        const bool joined = next_quoted_line(text, kept, first_line);
        if (joined) kept = text.size();
        continue;
      }
      const char c = line()[at_++];
      if (c == quote) {
        if (quote == '"' || at_ >= line().size() || line()[at_] != '\'') return text;
        ++at_;
        text += '\'';
      } else if (c == '\\' && quote == '"') {
        if (at_ >= line().size()) {
          escaped_line_end(first_line);
        } else {
          escape(text);
        }
        kept = text.size();
      } else {
        text += c;
      }
    }
  }

  bool next_quoted_line(std::string& text, size_t kept, size_t first_line) {
    while (text.size() > kept && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
    size_t empty = 0;
    for (++number_; number_ < lines_.size() && trimmed(line()).empty(); ++number_) ++empty;
    require_open(first_line);
    text += empty == 0 ? std::string(" ") : std::string(empty, '\n');
    at_ = line().find_first_not_of(" \t");
    return true;
  }

  void escaped_line_end(size_t first_line) {
    ++number_;
    require_open(first_line);
    at_ = std::min(line().find_first_not_of(" \t"), line().size());
  }

  void require_open(size_t first_line) {
    if (number_ < lines_.size()) return;
    number_ = first_line;
    wrong("want a closing quote");
  }

  void escape(std::string& text) {
    constexpr std::string_view kNames = "0abtnvfre\"/\\ N_", kValues("\0\a\b\t\n\v\f\r\x1b\"/\\ ", 13);
    const char c = line()[at_++];
    if (const size_t found = kNames.find(c); found < kValues.size()) {
      text += kValues[found];
      return;
    }
    if (c == 'N' || c == '_') {
      text += c == 'N' ? "\xC2\x85" : "\xC2\xA0";
      return;
    }
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    char32_t value = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      const char* hex = "0123456789abcdef";
      const char* found =
          at_ < line().size() ? std::char_traits<char>::find(hex, 16, ascii_lower(line().substr(at_, 1))[0]) : nullptr;
      if (found == nullptr) wrong("want hexadecimal digits after a backslash");
      value = value * 16 + static_cast<char32_t>(found - hex);
    }
    const bool is_character = digits > 0 && value < 0x110000 && (value < 0xD800 || value > 0xDFFF);
    if (!is_character) wrong("want a known escape after a backslash");
    text += encode_utf8(std::u32string_view(&value, 1));
  }

  std::vector<std::string_view> lines_;
  const std::string& what_;
  size_t number_ = 0, at_ = 0;
};

}  // namespace

std::vector<YamlPrompt> parse_yaml_prompts(std::string_view text, const std::string& what) {
  return Parser(text, what).run();
}

CaptionSet read_yaml_prompts(const ReadRequest& request) {
  CaptionSet set{"yaml", request.path, {}, {}};
  for (YamlPrompt& row : parse_yaml_prompts(read_file(request.path), request.path.string())) {
    set.items.push_back({std::move(row.name), "", {std::move(row.text)}, {}, ""});
  }
  return set;
}

bool is_yaml_prompts(const std::filesystem::path& path) {
  return path.extension() == ".yaml" || path.extension() == ".yml";
}

}  // namespace nibble
