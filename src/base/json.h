// The one place that includes the JSON library.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace nibble {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// Parses `text`; `what` names it in the error ("unet/config.json"). Throws Error{Corrupt} with the position.
// Nesting deeper than 128 is refused.
Json parse_json(std::string_view text, const std::string& what);
Json read_json_file(const std::filesystem::path& file);

}  // namespace nibble
