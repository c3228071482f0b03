#include "data/json_items.h"

#include <algorithm>

#include "base/error.h"
#include "base/json_filter.h"
#include "data/text_table.h"

namespace nibble {
namespace {

using Event = Json::parse_event_t;

const char* found_of(const Json& object, const char* key) {
  if (!object.is_object()) return object.type_name();
  const auto found = object.find(key);
  return found == object.end() ? "nothing" : found->type_name();
}

[[noreturn]] void fail_member(const Json& object, const char* wanted, const char* key, const std::string& where) {
  fail(ErrorCode::Corrupt, "{}: want {} '{}', found {}", where, wanted, key, found_of(object, key));
}

void require_object(const Json& root, const std::string& what) {
  if (!root.is_object())
    fail(ErrorCode::Corrupt, "{}: want a JSON object at the top, found {}", what, root.type_name());
}

}  // namespace

void each_member(std::string_view text, const std::string& what,
                 const std::function<void(const std::string& key, const Json& value)>& visit) {
  std::string key;
  const Json root = parse_json(text, what, [&](int depth, Event event, Json& parsed) {
    if (depth != 1) return true;
    if (event == Event::key) key = parsed.get<std::string>();
    const bool ends = event == Event::value || event == Event::object_end || event == Event::array_end;
    if (ends) visit(key, parsed);
    return !ends;
  });
  require_object(root, what);
}

void each_element(
    std::string_view text, const std::string& what, const std::vector<std::string>& skipped,
    const std::function<void(const std::string& array, const Json& element, const std::string& where)>& visit) {
  std::string array;
  size_t index = 0;
  bool in_array = false;
  const Json root = parse_json(text, what, [&](int depth, Event event, Json& parsed) {
    if (depth == 1) {
      if (event == Event::key) array = parsed.get<std::string>();
      if (event == Event::array_start || event == Event::object_start) in_array = event == Event::array_start;
      if (event == Event::array_start) index = 0;
      return true;
    }
    if (depth == 3 && event == Event::key) {
      return std::find(skipped.begin(), skipped.end(), parsed.get_ref<const std::string&>()) == skipped.end();
    }
    const bool ends = event == Event::value || event == Event::object_end || event == Event::array_end;
    if (depth != 2 || !in_array || !ends) return true;
    visit(array, parsed, format("{}: {}[{}]", what, array, index++));
    return false;
  });
  require_object(root, what);
}

void each_line(std::string_view text, const std::string& what,
               const std::function<void(const Json& value, const std::string& where)>& visit) {
  size_t number = 0;
  for (const std::string_view line : text_lines(text)) {
    const std::string where = format("{}: line {}", what, ++number);
    if (line.find_first_not_of(" \t") != std::string_view::npos) visit(parse_json(line, where), where);
  }
}

std::string string_member(const Json& object, const char* key, const std::string& where) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_string())
    fail_member(object, "a string", key, where);
  return object[key].get<std::string>();
}

int64_t integer_member(const Json& object, const char* key, const std::string& where) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_number_integer())
    fail_member(object, "a whole number", key, where);
  return object[key].get<int64_t>();
}

const Json& array_member(const Json& object, const char* key, const std::string& where) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_array())
    fail_member(object, "an array", key, where);
  return object[key];
}

std::string optional_string(const Json& object, const char* key, const std::string& where) {
  if (!object.is_object()) fail_member(object, "a string", key, where);
  if (!object.contains(key) || object[key].is_null()) return {};
  return string_member(object, key, where);
}

}  // namespace nibble
