#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "apps/cli/command.h"
#include "apps/cli/progress_bar.h"
#include "base/error.h"

namespace nibble::cli {
namespace {

std::atomic<bool>* cancel_flag = nullptr;

// The first Ctrl-C asks for a clean end between two operations, the second ends at once.
void on_interrupt(int) {
  if (cancel_flag == nullptr || cancel_flag->exchange(true)) std::_Exit(130);
}

}  // namespace

std::unique_ptr<Context> make_context(const Common& common) {
  auto context = std::make_unique<Context>(common.threads > 0 ? common.threads : default_thread_count());
  if (!common.quiet) {
    context->progress = show_progress;
    context->log = [](LogLevel level, const std::string& message) {
      clear_progress();
      if (level != LogLevel::Debug) std::fprintf(stderr, "%s\n", message.c_str());
    };
  }
  cancel_flag = &context->cancel;
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  return context;
}

size_t parse_bytes(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  std::string unit(end);
  for (char& c : unit) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  double factor = 0;
  if (unit.empty() || unit == "B") factor = 1;
  if (unit == "K" || unit == "KB") factor = 1e3;
  if (unit == "M" || unit == "MB") factor = 1e6;
  if (unit == "G" || unit == "GB") factor = 1e9;
  if (end == text.c_str() || factor == 0 || !(number > 0) || number * factor > 1e18)
    fail(ErrorCode::InvalidArgument, "size '{}': want a number of bytes, or one with KB, MB or GB, e.g. 3GB", text);
  return static_cast<size_t>(number * factor);
}

void print_json(const Json& json) { std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str()); }

}  // namespace nibble::cli
