#include "data/text_table.h"

#include "base/error.h"
#include "text/unicode.h"

namespace nibble {
namespace {

std::string_view without_mark(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
}

// Reads one cell from `at` on and leaves `at` at the separator, the line end or the end of the text.
std::string quoted_cell(std::string_view text, size_t& at, size_t& line, const std::string& what) {
  const size_t first_line = line;
  std::string cell;
  for (++at;; ++at) {
    if (at >= text.size()) fail(ErrorCode::Corrupt, "{}: line {}: a quote opens and never closes", what, first_line);
    if (text[at] == '"') {
      if (at + 1 >= text.size() || text[at + 1] != '"') break;
      ++at;
    }
    if (text[at] == '\n') ++line;
    cell += text[at];
  }
  ++at;
  return cell;
}

}  // namespace

std::vector<std::string_view> text_lines(std::string_view text) {
  text = without_mark(text);
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::vector<TableRow> parse_table(std::string_view text, char separator, bool quotes, const std::string& what) {
  text = without_mark(text);
  std::vector<TableRow> rows;
  size_t line = 1;
  for (size_t at = 0; at < text.size();) {
    TableRow row{line, {}};
    for (bool more = true; more;) {
      std::string cell;
      if (quotes && at < text.size() && text[at] == '"') cell = quoted_cell(text, at, line, what);
      const size_t end = std::min(text.find_first_of(std::string{separator, '\n'}, at), text.size());
      cell += text.substr(at, end - at);
      at = end;
      more = at < text.size() && text[at] == separator;
      if (more) ++at;
      if (!more && cell.ends_with('\r')) cell.pop_back();
      row.cells.push_back(std::move(cell));
    }
    ++at;
    ++line;
    if (row.cells.size() > 1 || !row.cells[0].empty()) rows.push_back(std::move(row));
  }
  return rows;
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string ascii_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string word_text(std::string_view text) {
  std::u32string out = U" ";
  for (const char32_t c : to_lower(decode_utf8(text))) {
    if (is_letter(c) || is_number(c)) {
      out += c;
    } else if (out.back() != U' ') {
      out += U' ';
    }
  }
  if (out.back() != U' ') out += U' ';
  return encode_utf8(out);
}

int column_of(const TableRow& header, std::string_view name) {
  for (size_t i = 0; i < header.cells.size(); ++i) {
    if (ascii_lower(trimmed(header.cells[i])) == ascii_lower(name)) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace nibble
