#include "base/context.h"

#include <utility>

#include "base/error.h"

namespace nibble {

Context::Context(int thread_count, CpuMask mask) : threads(thread_count), cpu(mask) {}

void Context::check_cancelled() const {
  if (cancel.load(std::memory_order_relaxed)) fail(ErrorCode::Cancelled, "cancelled");
}

void Context::report(const std::string& stage, int64_t done, int64_t total) const {
  if (progress) progress(stage, done, total);
}

void Context::say(LogLevel level, const std::string& message) const {
  if (log) log(level, message);
}

QuietProgress::QuietProgress(Context& context) : context_(context), outer_(std::exchange(context.progress, nullptr)) {}

QuietProgress::~QuietProgress() { context_.progress = std::move(outer_); }

void QuietProgress::report(const std::string& stage, int64_t done, int64_t total) const {
  if (outer_) outer_(stage, done, total);
}

}  // namespace nibble
