#include "data/metadata.h"

#include "base/error.h"
#include "base/file.h"
#include "data/json_items.h"
#include "data/readers.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> optional_strings(const Json& row, const char* key, const std::string& where) {
  std::vector<std::string> texts;
  if (!row.contains(key) || row[key].is_null()) return texts;
  for (const Json& text : array_member(row, key, where)) {
    if (!text.is_string()) fail(ErrorCode::Corrupt, "{}: want strings in '{}', found {}", where, key, text.type_name());
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

CaptionItem read_row(const Json& row, const std::string& where, size_t index) {
  CaptionItem item;
  item.picture = optional_string(row, "file_name", where);
  item.name = optional_string(row, "name", where);
  if (item.name.empty())
    item.name = item.picture.empty() ? format("{:05}", index) : fs::path(item.picture).stem().string();
  item.captions = optional_strings(row, "captions", where);
  for (const char* key : {"text", "caption", "prompt"}) {
    const std::string text = optional_string(row, key, where);
    if (!text.empty() && item.captions.empty()) item.captions.push_back(text);
  }
  item.domains = optional_strings(row, "domains", where);
  const std::string category = optional_string(row, "category", where);
  if (!category.empty() && item.domains.empty()) item.domains.push_back(category);
  item.split = optional_string(row, "split", where);
  return item;
}

}  // namespace

std::string metadata_line(const MetadataRow& row) {
  OrderedJson json = OrderedJson::object();
  if (!row.file_name.empty()) json["file_name"] = row.file_name;
  json["name"] = row.name;
  json["text"] = row.text;
  if (row.captions.size() > 1) json["captions"] = row.captions;
  if (!row.domains.empty()) json["domains"] = row.domains;
  if (!row.split.empty()) json["split"] = row.split;
  json["seed"] = row.seed;
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

CaptionSet read_metadata(const ReadRequest& request) {
  const fs::path file = fs::is_directory(request.path) ? request.path / "metadata.jsonl" : request.path;
  CaptionSet set{"metadata", file, {fs::absolute(file).parent_path()}, {}};
  each_line(read_file(file), file.string(), [&](const Json& row, const std::string& where) {
    set.items.push_back(read_row(row, where, set.items.size()));
  });
  return set;
}

bool is_metadata(const fs::path& path) {
  std::error_code ignored;
  return path.extension() == ".jsonl" || fs::exists(path / "metadata.jsonl", ignored);
}

}  // namespace nibble
