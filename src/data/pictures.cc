#include "data/pictures.h"

#include "base/error.h"
#include "formats/zip.h"
#include "image/codec.h"

namespace nibble {

namespace fs = std::filesystem;

namespace {

bool stays_inside(const std::string& name) {
  const fs::path path = fs::path(name).lexically_normal();
  return !name.empty() && path.is_relative() && !path.empty() && *path.begin() != "..";
}

}  // namespace

PictureSource::PictureSource(const std::vector<fs::path>& places) {
  for (const fs::path& place : places) {
    std::error_code ignored;
    if (fs::is_directory(place, ignored)) folders_.push_back(place);
    if (!fs::is_regular_file(place, ignored)) continue;
    Zip zip{place, MappedFile::open(place), {}};
    try {
      zip.entries = read_stored_zip(zip.bytes->bytes(), place.string());
    } catch (const Error& e) {
      if (e.code() != ErrorCode::Unsupported) throw;
      fail(ErrorCode::Unsupported,
           "pictures {}: want a zip of uncompressed entries, found compressed or encrypted ones; unpack it "
           "into a folder beside it",
           place.string());
    }
    zips_.push_back(std::move(zip));
  }
}

bool PictureSource::find(const std::string& name, Found& found) const {
  if (!stays_inside(name)) return false;
  std::error_code ignored;
  for (const fs::path& folder : folders_) {
    if (fs::is_regular_file(folder / name, ignored)) {
      found.file = folder / name;
      return true;
    }
  }
  for (const Zip& zip : zips_) {
    for (const std::string& entry : {name, zip.path.stem().string() + "/" + name}) {
      if (const auto at = zip.entries.find(entry); at != zip.entries.end()) {
        found.entry = at->second;
        return true;
      }
    }
  }
  return false;
}

bool PictureSource::has(const std::string& name) const {
  Found found;
  return find(name, found);
}

PictureSource::Found PictureSource::require(const std::string& name) const {
  Found found;
  if (!find(name, found)) {
    fail(ErrorCode::NotFound,
         "picture {}: found in none of {} folders and {} zip files; name their place with --pictures", name,
         folders_.size(), zips_.size());
  }
  return found;
}

std::string PictureSource::bytes(const std::string& name) const {
  const Found found = require(name);
  if (!found.file.empty()) return read_file(found.file);
  return {reinterpret_cast<const char*>(found.entry.data()), found.entry.size()};
}

Image PictureSource::read_rgb(const std::string& name) const {
  return to_rgb(decode_image(bytes(name), "picture " + name).image);
}

fs::path PictureSource::file(const std::string& name) const { return require(name).file; }

}  // namespace nibble
