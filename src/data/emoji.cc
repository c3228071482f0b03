// The captions of the built-in model's training pictures, held-out ones included: captions.tsv, as
// training/builtin/captions_table.py writes it: name, style, group, split, caption, tags. Pictures, where they are
// drawn, are pictures/<name>.png.
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "data/readers.h"
#include "data/text_table.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHeader[] = {"name", "style", "group", "split", "caption", "tags"};

}  // namespace

CaptionSet read_emoji(const ReadRequest& request) {
  const fs::path file = fs::is_directory(request.path) ? request.path / "captions.tsv" : request.path;
  CaptionSet set{"emoji", file, {fs::absolute(file).parent_path() / "pictures"}, {}};
  const std::unordered_set<std::string_view> splits = {"train", "name", "style", "tone", "attribute"};
  const std::vector<TableRow> rows = parse_table(read_file(file), '\t', false, file.string());
  for (size_t c = 0; c < std::size(kHeader); ++c) {
    if (rows.empty() || rows[0].cells.size() != std::size(kHeader) || rows[0].cells[c] != kHeader[c])
      fail(ErrorCode::Corrupt, "{}: line 1: want the columns name, style, group, split, caption, tags, found others",
           file.string());
  }
  const bool held_out = request.split == "held-out";
  for (size_t i = 1; i < rows.size(); ++i) {
    const std::vector<std::string>& cells = rows[i].cells;
    if (cells.size() != std::size(kHeader) || !splits.contains(cells[3]))
      fail(ErrorCode::Corrupt,
           "{}: line {}: want six columns, the fourth train, name, style, tone or attribute, found '{}'", file.string(),
           rows[i].line, cells.size() > 3 ? cells[3] : cells[0]);
    CaptionItem item{cells[0], cells[0] + ".png", {cells[4]}, {}, cells[3]};
    if (!cells[5].empty()) item.captions.push_back(cells[4] + ", " + cells[5]);
    if (!cells[2].empty()) item.domains.push_back(cells[2]);
    item.domains.push_back(cells[1]);
    if (held_out && item.split != "train") item.split = "held-out";
    set.items.push_back(std::move(item));
  }
  return set;
}

bool is_emoji(const fs::path& path) {
  std::error_code ignored;
  return path.filename() == "captions.tsv" ? path.parent_path().filename() == "emoji"
                                           : fs::exists(path / "captions.tsv", ignored);
}

}  // namespace nibble
