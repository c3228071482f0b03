// Lists of prompts without pictures: PartiPrompts (TSV), DrawBench (CSV), GenEval (JSON lines) and plain text, a prompt
// a line.
#include "base/error.h"
#include "base/file.h"
#include "data/json_items.h"
#include "data/readers.h"
#include "data/text_table.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

std::string numbered(size_t index) { return format("{:05}", index); }

fs::path list_file(const fs::path& path, const char* name) { return fs::is_directory(path) ? path / name : path; }

// `prompt` and `category` are the names of the columns.
CaptionSet read_prompt_table(const fs::path& file, char separator, bool quotes, const char* prompt,
                             const char* category) {
  CaptionSet set{"", file, {}, {}};
  const std::vector<TableRow> rows = parse_table(read_file(file), separator, quotes, file.string());
  const int text = rows.empty() ? -1 : column_of(rows[0], prompt),
            domain = rows.empty() ? -1 : column_of(rows[0], category);
  if (text < 0 || domain < 0)
    fail(ErrorCode::Corrupt, "{}: line 1: want the columns '{}' and '{}', found others", file.string(), prompt,
         category);
  for (size_t i = 1; i < rows.size(); ++i) {
    const std::vector<std::string>& cells = rows[i].cells;
    if (cells.size() <= static_cast<size_t>(std::max(text, domain)))
      fail(ErrorCode::Corrupt, "{}: line {}: want {} columns, found {}", file.string(), rows[i].line,
           rows[0].cells.size(), cells.size());
    CaptionItem item{numbered(i - 1), "", {cells[static_cast<size_t>(text)]}, {}, ""};
    const std::string_view name = trimmed(cells[static_cast<size_t>(domain)]);
    if (!name.empty()) item.domains.emplace_back(name);
    set.items.push_back(std::move(item));
  }
  return set;
}

bool has_name(const fs::path& path, const char* part, const char* extension) {
  return ascii_lower(path.filename().string()).find(part) != std::string::npos && path.extension() == extension;
}

}  // namespace

CaptionSet read_parti(const ReadRequest& request) {
  CaptionSet set = read_prompt_table(list_file(request.path, "PartiPrompts.tsv"), '\t', false, "Prompt", "Category");
  set.format = "partiprompts";
  return set;
}

CaptionSet read_drawbench(const ReadRequest& request) {
  CaptionSet set =
      read_prompt_table(request.path, request.path.extension() == ".tsv" ? '\t' : ',', true, "Prompts", "Category");
  set.format = "drawbench";
  return set;
}

CaptionSet read_geneval(const ReadRequest& request) {
  const fs::path file = list_file(request.path, "evaluation_metadata.jsonl");
  CaptionSet set{"geneval", file, {}, {}};
  each_line(read_file(file), file.string(), [&](const Json& row, const std::string& where) {
    set.items.push_back({numbered(set.items.size()),
                         "",
                         {string_member(row, "prompt", where)},
                         {string_member(row, "tag", where)},
                         ""});
  });
  return set;
}

CaptionSet read_prompt_list(const ReadRequest& request) {
  CaptionSet set{"prompts", request.path, {}, {}};
  const std::string text = read_file(request.path);
  for (const std::string_view line : text_lines(text)) {
    if (trimmed(line).empty() || line.starts_with("# ")) continue;
    set.items.push_back({numbered(set.items.size()), "", {std::string(line)}, {}, ""});
  }
  return set;
}

bool is_parti(const fs::path& path) {
  std::error_code ignored;
  return has_name(path, "parti", ".tsv") || fs::exists(path / "PartiPrompts.tsv", ignored);
}
bool is_drawbench(const fs::path& path) {
  return has_name(path, "drawbench", ".csv") || has_name(path, "drawbench", ".tsv");
}
bool is_geneval(const fs::path& path) {
  std::error_code ignored;
  return path.filename() == "evaluation_metadata.jsonl" || fs::exists(path / "evaluation_metadata.jsonl", ignored);
}
bool is_prompt_list(const fs::path& path) { return path.extension() == ".txt"; }

}  // namespace nibble
