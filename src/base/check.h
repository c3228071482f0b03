// Invariants. NIBBLE_CHECK: debug builds stop at once, release builds throw Error{Internal}, so one bad request does not end
// an app. NIBBLE_DCHECK: debug builds only, for hot code.
#pragma once

#include "base/error.h"

namespace nibble::internal {
[[noreturn]] void check_failed(const char* condition, const char* file, int line, const std::string& text);
inline std::string check_text() { return {}; }
template <typename... Args>
std::string check_text(fmt::format_string<Args...> text, Args&&... args) {
  return fmt::format(text, std::forward<Args>(args)...);
}
}  // namespace nibble::internal

#define NIBBLE_CHECK(condition, ...)                                              \
  (static_cast<bool>(condition)                                                   \
       ? void(0)                                                                  \
       : ::nibble::internal::check_failed(#condition, __FILE__, __LINE__,         \
                                          ::nibble::internal::check_text(__VA_ARGS__)))

#ifdef NDEBUG
#define NIBBLE_DCHECK(condition, ...) void(0)
#else
#define NIBBLE_DCHECK(...) NIBBLE_CHECK(__VA_ARGS__)
#endif
