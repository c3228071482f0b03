// JSON read piece by piece, in file order.
#pragma once

#include <functional>

#include "base/json.h"

namespace nibble {

// As parse_json(text, what). `keep` sees each event of nlohmann's parser callback and may answer false to drop what it has
// seen, so that large files need little memory and doubled keys are noticed.
using JsonFilter = std::function<bool(int depth, Json::parse_event_t event, Json& parsed)>;
Json parse_json(std::string_view text, const std::string& what, const JsonFilter& keep);

}  // namespace nibble
