// Reads a published config.json field by field. A missing field takes the class's default; a field of the wrong kind or an
// option that a network does not have is an error that names file, field, want and find.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace nibble::models {

class ConfigReader {
 public:
  ConfigReader(Json json, std::string where) : json_(std::move(json)), where_(std::move(where)) {
    if (!json_.is_object()) fail(ErrorCode::Corrupt, "{}: want a JSON object", where_);
  }

  template <typename T>
  T get(const char* field, T otherwise) const {
    const auto found = json_.find(field);
    if (found == json_.end() || found->is_null()) return otherwise;
    return convert<T>(*found, field);
  }

  // One value for all `count` positions, or a list of exactly `count`.
  std::vector<int64_t> per_block(const char* field, size_t count, int64_t otherwise) const {
    const auto found = json_.find(field);
    if (found == json_.end() || found->is_null()) return std::vector<int64_t>(count, otherwise);
    if (!found->is_array()) return std::vector<int64_t>(count, positive(convert<int64_t>(*found, field), field));
    if (found->size() != count)
      fail(ErrorCode::Corrupt, "{}: {}: want {} entries found {}", where_, field, count, found->size());
    std::vector<int64_t> values;
    for (const Json& value : *found) values.push_back(positive(convert<int64_t>(value, field), field));
    return values;
  }

  // A number for each layer of each block: one for all, one per block, or a list per block of exactly layers[i].
  std::vector<std::vector<int64_t>> per_layer(const char* field, const std::vector<int64_t>& layers, int64_t otherwise) const {
    std::vector<std::vector<int64_t>> values;
    const auto found = json_.find(field);
    const bool per_block_list = found != json_.end() && found->is_array() && found->size() == layers.size();
    const Json all = found == json_.end() ? Json() : *found;
    for (size_t i = 0; i < layers.size(); ++i) {
      const ConfigReader block(Json{{field, per_block_list ? all[i] : all}}, where_);
      values.push_back(block.per_block(field, static_cast<size_t>(layers[i]), otherwise));
    }
    return values;
  }

  template <typename T>
  std::vector<T> list(const char* field, std::vector<T> otherwise) const {
    const auto found = json_.find(field);
    if (found == json_.end() || found->is_null()) return otherwise;
    if (!found->is_array() || found->empty() || found->size() > 64)
      fail(ErrorCode::Corrupt, "{}: {}: want a list of 1 to 64 entries", where_, field);
    std::vector<T> values;
    for (const Json& value : *found) values.push_back(convert<T>(value, field));
    return values;
  }

  int64_t size(const char* field, int64_t otherwise) const { return positive(get<int64_t>(field, otherwise), field); }

  // The field is absent, null, or has this value: for options that we do not build.
  template <typename T>
  void require(const char* field, T only) const {
    if (get<T>(field, only) != only)
      fail(ErrorCode::Unsupported, "{}: {} = {} is not supported (want {})", where_, field, json_.at(field).dump(), Json(only).dump());
  }
  void require_null(const char* field) const {
    if (json_.contains(field) && !json_.at(field).is_null())
      fail(ErrorCode::Unsupported, "{}: {} = {} is not supported", where_, field, json_.at(field).dump());
  }

  const std::string& where() const { return where_; }

 private:
  template <typename T>
  T convert(const Json& value, const char* field) const {
    if constexpr (std::is_same_v<T, bool>) {
      if (value.is_boolean()) return value.get<bool>();
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (value.is_string()) return value.get<std::string>();
    } else if constexpr (std::is_integral_v<T>) {
      if (value.is_number_integer()) return value.get<T>();
    } else {
      if (value.is_number()) return value.get<T>();
    }
    fail(ErrorCode::Corrupt, "{}: {} = {} is of the wrong kind", where_, field, value.dump().substr(0, 80));
  }

  int64_t positive(int64_t value, const char* field) const {
    constexpr int64_t kLargest = 1 << 24;
    if (value < 1 || value > kLargest) fail(ErrorCode::Corrupt, "{}: {} = {}: want 1 to {}", where_, field, value, kLargest);
    return value;
  }

  Json json_;
  std::string where_;
};

}  // namespace nibble::models
