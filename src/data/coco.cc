// COCO captions: captions_{train,val}{2014,2017}.json, below annotations/ or alone, with pictures in
// {train,val}{2014,2017}/.
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "data/json_items.h"
#include "data/readers.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

fs::path annotations_of(const ReadRequest& request, const std::string& year) {
  if (!fs::is_directory(request.path)) return request.path;
  const std::string name = format("captions_{}{}.json", request.split.empty() ? "val" : request.split, year);
  for (const fs::path& file : {request.path / "annotations" / name, request.path / name}) {
    if (fs::exists(file)) return file;
  }
  fail(ErrorCode::NotFound,
       "folder {}: want annotations/{} or {}, found neither; name the JSON file itself, or the split it is of",
       request.path.string(), name, name);
}

CaptionSet read_coco(const ReadRequest& request, const std::string& year) {
  const fs::path file = annotations_of(request, year);
  CaptionSet set{"coco" + year, file, {}, {}};
  std::string split = request.split;
  for (const char* known : {"train", "val"}) {
    if (file.filename().string().find(std::string("_") + known) != std::string::npos) split = known;
  }
  const fs::path folder = fs::absolute(file).parent_path();
  for (const fs::path& base : {folder.parent_path(), folder}) {
    for (const std::string& name : {split + year, split + year + ".zip"}) set.pictures.push_back(base / name);
  }
  set.pictures.push_back(folder);

  std::unordered_map<int64_t, size_t> index;
  struct Late {
    int64_t image;
    std::string caption, where;
  };
  std::vector<Late> late;  // annotations may stand before the images
  each_element(read_file(file), file.string(), {"license", "coco_url", "flickr_url", "date_captured"},
               [&](const std::string& array, const Json& element, const std::string& where) {
                 if (array == "images") {
                   const std::string picture = string_member(element, "file_name", where);
                   index.emplace(integer_member(element, "id", where), set.items.size());
                   set.items.push_back({fs::path(picture).stem().string(), picture, {}, {}, split});
                 } else if (array == "annotations") {
                   const int64_t image = integer_member(element, "image_id", where);
                   late.push_back({image, string_member(element, "caption", where), where});
                 }
               });
  if (set.items.empty()) {
    fail(ErrorCode::Corrupt,
         "{}: want COCO's arrays 'images' and 'annotations', found no images; is this the captions_*.json?",
         file.string());
  }
  for (Late& row : late) {
    const auto item = index.find(row.image);
    if (item == index.end())
      fail(ErrorCode::Corrupt, "{}: want an image_id of 'images', found {}; download the file again", row.where,
           row.image);
    set.items[item->second].captions.push_back(std::move(row.caption));
  }
  return set;
}

bool is_coco(const fs::path& path, const std::string& year) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    for (const char* split : {"val", "train"}) {
      const std::string name = format("captions_{}{}.json", split, year);
      if (fs::exists(path / "annotations" / name, ignored) || fs::exists(path / name, ignored)) return true;
    }
    return false;
  }
  const std::string name = path.filename().string();
  return name.starts_with("captions_") && name.ends_with(year + ".json");
}

}  // namespace

CaptionSet read_coco2014(const ReadRequest& request) { return read_coco(request, "2014"); }
CaptionSet read_coco2017(const ReadRequest& request) { return read_coco(request, "2017"); }
bool is_coco2014(const fs::path& path) { return is_coco(path, "2014"); }
bool is_coco2017(const fs::path& path) { return is_coco(path, "2017"); }

}  // namespace nibble
