#include "base/check.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace nibble::internal {

void check_failed(const char* condition, const char* file, int line, const std::string& text) {
  const char* base = std::strrchr(file, '/');
  const std::string message =
      format("internal error at {}:{}: {} does not hold{}{}; please report this", base ? base + 1 : file, line,
             condition, text.empty() ? "" : ": ", text);
#ifdef NDEBUG
  throw Error(ErrorCode::Internal, message);
#else
  std::fprintf(stderr, "%s\n", message.c_str());
  std::abort();
#endif
}

}  // namespace nibble::internal
