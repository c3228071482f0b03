// Data sets' JSON, item by item in file order, with errors that name the place.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace nibble {

// The members of the top-level object, doubled keys included. Throws Error{Corrupt} for damaged JSON or another top
// level.
void each_member(std::string_view text, const std::string& what,
                 const std::function<void(const std::string& key, const Json& value)>& visit);

// The elements of the arrays that are members of the top-level object; `where` is "FILE: images[3]". The members
// `skipped` of the elements are not kept in memory.
void each_element(
    std::string_view text, const std::string& what, const std::vector<std::string>& skipped,
    const std::function<void(const std::string& array, const Json& element, const std::string& where)>& visit);

// Each non-empty line is a JSON value; `where` is "FILE: line 3".
void each_line(std::string_view text, const std::string& what,
               const std::function<void(const Json& value, const std::string& where)>& visit);

// A member that must be there: Error{Corrupt} "WHERE: want a string 'key', found …".
std::string string_member(const Json& object, const char* key, const std::string& where);
int64_t integer_member(const Json& object, const char* key, const std::string& where);
const Json& array_member(const Json& object, const char* key, const std::string& where);

// A string member, or "" if it is absent or null; another type is Error{Corrupt}.
std::string optional_string(const Json& object, const char* key, const std::string& where);

}  // namespace nibble
