// Karpathy's splits of COCO (and Flickr): dataset_coco.json.
#include "base/error.h"
#include "base/file.h"
#include "data/json_items.h"
#include "data/readers.h"

namespace nibble {

namespace fs = std::filesystem;

CaptionSet read_karpathy(const ReadRequest& request) {
  const fs::path file = fs::is_directory(request.path) ? request.path / "dataset_coco.json" : request.path;
  CaptionSet set{"karpathy", file, {fs::absolute(file).parent_path()}, {}};
  each_element(read_file(file), file.string(), {},
               [&](const std::string& array, const Json& element, const std::string& where) {
                 if (array != "images") return;
                 const std::string name = string_member(element, "filename", where);
                 const std::string folder = optional_string(element, "filepath", where);
                 CaptionItem item{fs::path(name).stem().string(),
                                  (fs::path(folder) / name).string(),
                                  {},
                                  {},
                                  string_member(element, "split", where)};
                 for (const Json& sentence : array_member(element, "sentences", where)) {
                   item.captions.push_back(string_member(sentence, "raw", where + " sentences"));
                 }
                 set.items.push_back(std::move(item));
               });
  if (set.items.empty()) fail(ErrorCode::Corrupt, "{}: want an array 'images', found none", file.string());
  return set;
}

bool is_karpathy(const fs::path& path) {
  std::error_code ignored;
  const std::string name = path.filename().string();
  return (name.starts_with("dataset_") && name.ends_with(".json")) || fs::exists(path / "dataset_coco.json", ignored);
}

}  // namespace nibble
