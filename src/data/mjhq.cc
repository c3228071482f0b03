// MJHQ-30K: meta_data.json {key: {category, prompt}}, pictures <category>/<key>.jpg in folders or mjhq30k_imgs.zip.
#include "base/error.h"
#include "base/file.h"
#include "data/json_items.h"
#include "data/readers.h"

namespace nibble {

namespace fs = std::filesystem;

CaptionSet read_mjhq(const ReadRequest& request) {
  const fs::path file = fs::is_directory(request.path) ? request.path / "meta_data.json" : request.path;
  const fs::path folder = fs::absolute(file).parent_path();
  CaptionSet set{"mjhq", file, {folder, folder / "mjhq30k_imgs", folder / "mjhq30k_imgs.zip"}, {}};
  each_member(read_file(file), file.string(), [&](const std::string& key, const Json& value) {
    const std::string where = format("{}: {}", file.string(), key);
    const std::string category = string_member(value, "category", where);
    set.items.push_back({key, category + "/" + key + ".jpg", {}, {category}, ""});
    const std::string prompt = optional_string(value, "prompt", where);
    if (!prompt.empty()) set.items.back().captions.push_back(prompt);
  });
  return set;
}

bool is_mjhq(const fs::path& path) {
  std::error_code ignored;
  return path.filename() == "meta_data.json" || fs::exists(path / "meta_data.json", ignored);
}

}  // namespace nibble
