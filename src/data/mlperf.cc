// MLPerf's captions of 5,000 COCO 2014 validation pictures: captions_source.tsv (id, image_id, caption, …, file_name).
#include "base/error.h"
#include "base/file.h"
#include "data/readers.h"
#include "data/text_table.h"

namespace nibble {

namespace fs = std::filesystem;

CaptionSet read_mlperf(const ReadRequest& request) {
  const fs::path file = fs::is_directory(request.path) ? request.path / "captions_source.tsv" : request.path;
  const fs::path folder = fs::absolute(file).parent_path();
  CaptionSet set{"mlperf", file, {folder / "val2014", folder / "val2014.zip", folder}, {}};
  const std::vector<TableRow> rows = parse_table(read_file(file), '\t', true, file.string());
  const int caption = rows.empty() ? -1 : column_of(rows[0], "caption");
  int name = rows.empty() ? -1 : column_of(rows[0], "file_name");
  const bool has_file = name >= 0;
  if (!has_file && !rows.empty()) name = column_of(rows[0], "id");
  if (caption < 0 || name < 0)
    fail(ErrorCode::Corrupt, "{}: line 1: want the columns 'caption' and 'file_name' or 'id', found {}", file.string(),
         rows.empty() ? "an empty file" : format("{} others", rows[0].cells.size()));
  for (size_t i = 1; i < rows.size(); ++i) {
    const std::vector<std::string>& cells = rows[i].cells;
    if (cells.size() != rows[0].cells.size())
      fail(ErrorCode::Corrupt, "{}: line {}: want {} columns, found {}", file.string(), rows[i].line,
           rows[0].cells.size(), cells.size());
    const std::string& id = cells[static_cast<size_t>(name)];
    set.items.push_back({has_file ? fs::path(id).stem().string() : id,
                         has_file ? id : "",
                         {cells[static_cast<size_t>(caption)]},
                         {},
                         ""});
  }
  return set;
}

bool is_mlperf(const fs::path& path) {
  std::error_code ignored;
  const std::string name = path.filename().string();
  return (name.starts_with("captions") && name.ends_with(".tsv")) || fs::exists(path / "captions_source.tsv", ignored);
}

}  // namespace nibble
