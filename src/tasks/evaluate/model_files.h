// The files behind an arm's model and their checksums, so that a report says which weights it speaks of.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/context.h"
#include "models/names/model_source.h"

namespace nibble {

struct ModelFile {
  std::string name;  // below the model's folder, or the file's own
  uintmax_t bytes = 0;
  std::string sha256;
};

// Checksums by absolute path: a file that several arms share is read once.
using Checksums = std::map<std::filesystem::path, std::string>;

// Every file that holds weights, once, in the order of the parts; the shards of an index are listed one by one.
// Progress stage "checksum NAME", in bytes.
std::vector<ModelFile> model_files(Context& context, const models::ModelSource& source, Checksums& known);

}  // namespace nibble
