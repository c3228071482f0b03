// A folder of pictures with a text file of the same name beside each: every line that is not empty is a caption.
// Folders below it are domains.
#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "data/readers.h"
#include "data/text_table.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

bool is_picture(const fs::path& file) {
  const std::string extension = ascii_lower(file.extension().string());
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg" || extension == ".webp";
}

// The first that exists, or that should.
fs::path caption_file_of(fs::path picture) {
  const fs::path usual = picture.replace_extension(".txt"), other = picture.replace_extension(".caption");
  return !fs::exists(usual) && fs::exists(other) ? other : usual;
}

std::vector<std::string> captions_in(const fs::path& file) {
  std::vector<std::string> captions;
  if (!fs::exists(file)) return captions;
  const std::string text = read_file(file);
  for (const std::string_view line : text_lines(text)) {
    if (!trimmed(line).empty()) captions.emplace_back(trimmed(line));
  }
  return captions;
}

}  // namespace

CaptionSet read_captioned_folder(const ReadRequest& request) {
  const fs::path& folder = request.path;
  if (!fs::is_directory(folder))
    fail(ErrorCode::InvalidArgument, "path {}: want a folder of pictures, found a file", folder.string());
  CaptionSet set{"folder", folder, {folder}, {}};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && is_picture(entry.path())) files.push_back(entry.path().lexically_relative(folder));
  }
  if (files.empty())
    fail(ErrorCode::NotFound, "folder {}: want pictures (.png, .jpg, .jpeg, .webp), found none", folder.string());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    fs::path name = file;
    const fs::path captions = caption_file_of(folder / file);
    CaptionItem item{
        name.replace_extension().generic_string(), file.generic_string(), captions_in(captions), {}, "", captions};
    if (file.has_parent_path()) item.domains.push_back(file.parent_path().generic_string());
    set.items.push_back(std::move(item));
  }
  return set;
}

bool is_captioned_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

}  // namespace nibble
