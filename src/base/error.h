// Errors of the outside world (files, flags, requests, memory) as one exception type with a code.
// A message names the thing, what was wanted, what was found, and the remedy.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace nibble {

enum class ErrorCode {
  InvalidArgument,
  NotFound,
  Corrupt,
  Unsupported,
  OutOfMemory,
  Io,
  Cancelled,
  Internal,
};

struct ErrorInfo {
  ErrorCode code;
  const char* name;  // as printed and as in JSON
  int exit_status;   // of the command line
};

// The one table of error codes; the C API uses the exit status as its code.
const ErrorInfo& error_info(ErrorCode code);

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

using fmt::format;

[[noreturn]] void fail_message(ErrorCode code, const std::string& message);

// Throws Error. Usage: fail(ErrorCode::Corrupt, "tensor {}: want {} found {}", name, want, found).
template <typename... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> text, Args&&... args) {
  fail_message(code, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace nibble
