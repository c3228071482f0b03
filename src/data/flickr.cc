// Flickr8k and Flickr30k captions: captions.txt ("image,caption" or "image_name,comment_number,comment"), results.csv
// ("image_name| comment_number| comment") and the token files ("1000.jpg#0<tab>caption").
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "data/readers.h"
#include "data/text_table.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNames[] = {"captions.txt", "results.csv", "results_20130124.token", "Flickr8k.token.txt"};

struct Row {
  std::string picture, caption;
};

// One published row of results.csv lacks its second bar ("…jpg| 4   A dog runs"): the number is then cut off the
// caption.
std::string barred_caption(const TableRow& row) {
  if (row.cells.size() >= 3) return row.cells[2];
  const std::string_view text = trimmed(row.cells[1]);
  return std::string(text.substr(std::min(text.find_first_not_of("0123456789"), text.size())));
}

std::vector<Row> parse_rows(const std::string& text, const std::string& what) {
  const auto lines = text_lines(text);
  const std::string first = lines.empty() ? "" : ascii_lower(lines[0]);
  const bool token = first.find('#') != std::string::npos && first.find('\t') != std::string::npos;
  const bool barred = first.starts_with("image_name|"),
             comma = first.starts_with("image,") || first.starts_with("image_name,");
  if (!token && !barred && !comma) {
    fail(ErrorCode::Corrupt,
         "{}: line 1: want 'image,caption', 'image_name,comment_number,comment', 'image_name| comment_number| "
         "comment' or 'NAME.jpg#0<tab>caption', found '{}'",
         what, first.substr(0, 60));
  }
  std::vector<Row> rows;
  const std::vector<TableRow> table = parse_table(text, token ? '\t' : barred ? '|' : ',', comma, what);
  const size_t caption = comma && table[0].cells.size() > 2 ? 2 : 1;
  for (size_t i = token ? 0 : 1; i < table.size(); ++i) {
    const TableRow& row = table[i];
    if (row.cells.size() <= caption)
      fail(ErrorCode::Corrupt, "{}: line {}: want a picture and a caption, found '{}'", what, row.line, row.cells[0]);
    std::string value = barred ? barred_caption(row) : row.cells[caption];
    // Captions with commas that were not quoted.
    for (size_t k = caption + 1; comma && k < row.cells.size(); ++k) value += "," + row.cells[k];
    rows.push_back({std::string(trimmed(row.cells[0].substr(0, row.cells[0].find('#')))), std::string(trimmed(value))});
  }
  return rows;
}

fs::path captions_file(const fs::path& path) {
  if (!fs::is_directory(path)) return path;
  for (const char* name : kNames) {
    if (fs::exists(path / name)) return path / name;
  }
  fail(ErrorCode::NotFound, "folder {}: want captions.txt, results.csv or a token file, found none", path.string());
}

}  // namespace

CaptionSet read_flickr(const ReadRequest& request) {
  const fs::path file = captions_file(request.path), folder = fs::absolute(file).parent_path();
  CaptionSet set{"flickr", file, {}, {}};
  for (const char* name : {"Images", "images", "flickr30k_images", "Flicker8k_Dataset", "flickr30k-images", "."})
    set.pictures.push_back((folder / name).lexically_normal());
  std::unordered_map<std::string, size_t> index;
  for (Row& row : parse_rows(read_file(file), file.string())) {
    const auto [item, is_new] = index.emplace(row.picture, set.items.size());
    if (is_new) set.items.push_back({fs::path(row.picture).stem().string(), row.picture, {}, {}, ""});
    set.items[item->second].captions.push_back(std::move(row.caption));
  }
  return set;
}

bool is_flickr(const fs::path& path) {
  std::error_code ignored;
  const std::string name = path.filename().string();
  for (const char* known : kNames) {
    if (name == known || fs::exists(path / known, ignored)) return true;
  }
  return false;
}

}  // namespace nibble
