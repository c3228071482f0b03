#include "base/json.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json_filter.h"

namespace nibble {

Json parse_json(std::string_view text, const std::string& what) {
  return parse_json(text, what, [](int, Json::parse_event_t, Json&) { return true; });
}

Json parse_json(std::string_view text, const std::string& what, const JsonFilter& keep) {
  constexpr int kMaxDepth = 128;
  const auto limit = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth) fail(ErrorCode::Corrupt, "{}: JSON nested deeper than {} levels", what, kMaxDepth);
    return keep(depth, event, parsed);
  };
  try {
    return Json::parse(text, limit);
  } catch (const Json::exception& e) {
    fail(ErrorCode::Corrupt, "{}: not valid JSON: {}", what, e.what());
  }
}

Json read_json_file(const std::filesystem::path& file) { return parse_json(read_file(file), file.string()); }

}  // namespace nibble
