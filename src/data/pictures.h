// The pictures of a data set, in folders or zip files.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "image/image.h"

namespace nibble {

class PictureSource {
 public:
  // Places that do not exist are passed over. Zip files must hold their entries uncompressed, as pictures usually are
  // packed; throws Error{Unsupported} with the remedy otherwise, Error{Corrupt} for damaged ones.
  explicit PictureSource(const std::vector<std::filesystem::path>& places);

  // `name` is relative to the places; in a zip also below one folder named like the zip. Names that lead out of a
  // place ("../x", absolute ones) are not found.
  bool has(const std::string& name) const;

  // The file's bytes as they are, and the decoded picture as RGB (orientation ignored, as reference metrics read
  // pictures). Throw Error{NotFound}, and what decoding throws.
  std::string bytes(const std::string& name) const;
  Image read_rgb(const std::string& name) const;

  // The path of a picture in a folder; empty for one in a zip. Throws Error{NotFound}.
  std::filesystem::path file(const std::string& name) const;

 private:
  struct Zip {
    std::filesystem::path path;
    std::shared_ptr<const MappedFile> bytes;
    std::unordered_map<std::string, std::span<const std::byte>> entries;
  };
  struct Found {
    std::filesystem::path file;
    std::span<const std::byte> entry;
  };
  bool find(const std::string& name, Found& found) const;
  Found require(const std::string& name) const;

  std::vector<std::filesystem::path> folders_;
  std::vector<Zip> zips_;
};

}  // namespace nibble
