// Lines and tables of text files: TSV, CSV and bar-separated ones.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nibble {

// Without line ends (\n or \r\n) and without a byte order mark; the empty piece after the last line end is no line.
std::vector<std::string_view> text_lines(std::string_view text);

struct TableRow {
  size_t line;  // the first line of the row, from 1
  std::vector<std::string> cells;
};

// With `quotes`, a cell that begins with " reaches to the closing one, "" inside is a quote, and it may hold separators
// and line ends (RFC 4180). Empty lines are left out. Throws Error{Corrupt} for a quote that is never closed.
std::vector<TableRow> parse_table(std::string_view text, char separator, bool quotes, const std::string& what);

// Index of a column in the first row, without regard to case and outer blanks; −1 if it is absent.
int column_of(const TableRow& header, std::string_view name);

std::string_view trimmed(std::string_view text);  // without outer blanks, tabs and line ends
std::string ascii_lower(std::string_view text);

// Lower case, letters and digits only, single blanks between words and at both ends: whole words and phrases are
// searched for in it as texts.
std::string word_text(std::string_view text);

}  // namespace nibble
