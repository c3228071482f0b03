#include "tasks/evaluate/model_files.h"

#include <algorithm>
#include <set>

#include "base/json.h"
#include "tasks/weights.h"

namespace nibble {
namespace fs = std::filesystem;
namespace {

// The file itself, or the shards beside an index.
std::vector<fs::path> parts_of(const fs::path& file) {
  if (file.extension() != ".json") return {file};
  std::set<fs::path> shards;
  const Json index = read_json_file(file);
  for (const auto& [tensor, shard] : index.at("weight_map").items())
    shards.insert(file.parent_path() / shard.get<std::string>());
  return {shards.begin(), shards.end()};
}

}  // namespace

std::vector<ModelFile> model_files(Context& context, const models::ModelSource& source, Checksums& known) {
  std::vector<fs::path> files;
  for (const models::ModelPart& part : source.parts) {
    if (part.weights.empty()) continue;
    for (const fs::path& file : parts_of(source.tensors(part.name).file().path()))
      if (std::ranges::find(files, file) == files.end()) files.push_back(file);
  }
  std::vector<ModelFile> list;
  for (const fs::path& file : files) {
    const fs::path below = fs::is_directory(source.path) ? file.lexically_relative(source.path) : file.filename();
    const auto mapped = MappedFile::open(file);
    std::string& sha256 = known[fs::absolute(file)];
    if (sha256.empty()) sha256 = sha256_of(context, *mapped, "checksum " + below.string());
    list.push_back({below.string(), mapped->bytes().size(), sha256});
  }
  return list;
}

}  // namespace nibble
