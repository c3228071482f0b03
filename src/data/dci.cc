// Densely Captioned Images: annotations/ or complete/ (a JSON a picture), photos/, splits.json; and its summaries
// (sDCI), either from the same files or from SVDQuant's sDCI.yaml with <name>.jpg.
#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "data/json_items.h"
#include "data/readers.h"
#include "data/yaml_prompts.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

fs::path dci_folder(const fs::path& path) {
  std::error_code ignored;
  for (const fs::path& folder : {path, path / "densely_captioned_images"}) {
    if (fs::is_directory(folder / "annotations", ignored) || fs::is_directory(folder / "complete", ignored))
      return folder;
  }
  return {};
}

// Names of splits.json's entries, without folder and extension.
std::unordered_map<std::string, std::string> read_splits(const fs::path& file) {
  std::unordered_map<std::string, std::string> splits;
  if (!fs::exists(file)) return splits;
  each_element(read_file(file), file.string(), {},
               [&](const std::string& split, const Json& entry, const std::string& where) {
                 if (!entry.is_string())
                   fail(ErrorCode::Corrupt, "{}: want the name of a file, found {}", where, entry.type_name());
                 splits[fs::path(entry.get<std::string>()).stem().string()] = split;
               });
  return splits;
}

std::vector<std::string> dense_captions(const Json& json, const std::string& where) {
  std::vector<std::string> captions;
  const std::string brief = optional_string(json, "short_caption", where),
                    extra = optional_string(json, "extra_caption", where);
  if (!brief.empty()) captions.push_back(brief);
  if (!extra.empty()) captions.push_back(brief.empty() ? extra : brief + " " + extra);
  return captions;
}

std::vector<std::string> summaries(const Json& json, const std::string& where) {
  std::vector<std::string> captions;
  if (!json.contains("summaries") || !json["summaries"].is_object() || !json["summaries"].contains("base"))
    return captions;
  const Json& base = json["summaries"]["base"];
  if (base.is_string()) return {base.get<std::string>()};
  for (const Json& text : base) {
    if (!text.is_string())
      fail(ErrorCode::Corrupt, "{}: want texts in summaries.base, found {}", where, text.type_name());
    captions.push_back(text.get<std::string>());
  }
  return captions;
}

CaptionSet read_folder(const fs::path& path, bool summarised) {
  const fs::path folder = dci_folder(path);
  if (folder.empty())
    fail(ErrorCode::NotFound, "folder {}: want densely_captioned_images with annotations/ or complete/, found neither",
         path.string());
  const fs::path notes = fs::is_directory(folder / "complete") ? folder / "complete" : folder / "annotations";
  CaptionSet set{summarised ? "sdci" : "dci", folder, {folder / "photos"}, {}};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(notes)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  const auto splits = read_splits(folder / "splits.json");
  for (const fs::path& file : files) {
    // The masks are most of a file and are not needed.
    const Json json = parse_json(read_file(file), file.string());
    const std::string picture = string_member(json, "image", file.string());
    CaptionItem item{fs::path(picture).stem().string(), fs::path(picture).filename().string(), {}, {}, ""};
    item.captions = summarised ? summaries(json, file.string()) : dense_captions(json, file.string());
    for (const std::string& name : {file.stem().string(), item.name}) {
      if (const auto split = splits.find(name); split != splits.end()) item.split = split->second;
    }
    set.items.push_back(std::move(item));
  }
  return set;
}

}  // namespace

CaptionSet read_dci(const ReadRequest& request) { return read_folder(request.path, false); }

CaptionSet read_sdci(const ReadRequest& request) {
  fs::path file = request.path;
  if (fs::is_directory(file)) {
    if (!fs::exists(file / "sDCI.yaml")) return read_folder(file, true);
    file /= "sDCI.yaml";
  }
  CaptionSet set{"sdci", file, {}, {}};
  const fs::path folder = fs::absolute(file).parent_path();
  set.pictures = {folder / "sDCI", folder / "photos", folder};
  for (YamlPrompt& row : parse_yaml_prompts(read_file(file), file.string())) {
    set.items.push_back({row.name, row.name + ".jpg", {std::move(row.text)}, {}, ""});
  }
  return set;
}

bool is_dci(const fs::path& path) { return !dci_folder(path).empty(); }

bool is_sdci(const fs::path& path) {
  std::error_code ignored;
  return path.filename() == "sDCI.yaml" || fs::exists(path / "sDCI.yaml", ignored);
}

}  // namespace nibble
