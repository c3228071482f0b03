// *.safetensors.index.json: {"metadata": {…}, "weight_map": {tensor: shard file}}; shards lie beside the index.
#include <unordered_map>

#include "base/error.h"
#include "formats/model_folder.h"
#include "formats/weight_table.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

bool is_plain_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

Metadata strings_of(const Json& object) {
  Metadata out;
  if (!object.is_object()) return out;
  for (const auto& [key, value] : object.items())
    if (value.is_string() || value.is_number()) out[key] = value.is_string() ? value.get<std::string>() : value.dump();
  return out;
}

}  // namespace

WeightTable read_safetensors_index(const fs::path& index) {
  const Json json = read_config(index);
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object())
    fail(ErrorCode::Corrupt, "file {}: want an object \"weight_map\" of tensor names to shard files", index.string());

  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string() || !is_plain_file_name(shard.get_ref<const std::string&>()))
      fail(ErrorCode::Corrupt, "file {}: tensor {}: want the name of a file in the same folder, found {}",
           index.string(), tensor, shard.dump(-1, ' ', true).substr(0, 80));
    shards[shard.get<std::string>()].push_back(tensor);
  }

  WeightTable table{.path = index, .format = "sharded safetensors"};
  if (const auto found = json.find("metadata"); found != json.end()) table.metadata = strings_of(*found);
  for (const auto& [shard, names] : shards) {
    const fs::path path = index.parent_path() / shard;
    std::error_code ignored;
    if (!fs::exists(path, ignored))
      fail(ErrorCode::NotFound, "file {}: shard {} is missing ({} shards in all); download it", index.string(), shard,
           shards.size());
    WeightTable part = read_safetensors(MappedFile::open(path));
    std::unordered_map<std::string_view, StoredTensor*> held;
    for (StoredTensor& t : part.tensors) held.emplace(t.info.name, &t);
    std::vector<StoredTensor*> wanted;
    for (const std::string& name : names) {
      const auto found = held.find(name);
      if (found == held.end())
        fail(ErrorCode::Corrupt, "file {}: tensor {} is not in its shard {}; index and shards do not belong together",
             index.string(), name, shard);
      wanted.push_back(found->second);
    }
    for (StoredTensor* t : wanted) table.tensors.push_back(std::move(*t));
    for (auto& [key, value] : part.metadata) table.metadata.emplace(key, std::move(value));
  }
  return table;
}

}  // namespace nibble
