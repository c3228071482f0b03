// Everything that code needs from its surroundings, made by the caller and passed down; there are no globals.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/cpu.h"
#include "base/thread_pool.h"

namespace nibble {

enum class LogLevel { Debug, Info, Warning };

// Done/total of the current stage, e.g. {"denoise", 3, 20}. Called on the caller's thread.
using ProgressSink = std::function<void(const std::string& stage, int64_t done, int64_t total)>;
using LogSink = std::function<void(LogLevel, const std::string& message)>;

struct Context {
  explicit Context(int threads = default_thread_count(), CpuMask mask = usable_cpu());

  ThreadPool threads;
  CpuMask cpu;
  LogSink log;            // may be empty
  ProgressSink progress;  // may be empty
  std::atomic<bool> cancel{false};  // may be set from any thread or a signal handler

  void check_cancelled() const;  // throws Error{Cancelled}
  void report(const std::string& stage, int64_t done, int64_t total) const;
  void say(LogLevel level, const std::string& message) const;
};

// Silences the progress of what is called while it lives, so that only its owner's is seen.
class QuietProgress {
 public:
  explicit QuietProgress(Context& context);
  ~QuietProgress();
  QuietProgress(const QuietProgress&) = delete;
  QuietProgress& operator=(const QuietProgress&) = delete;

  void report(const std::string& stage, int64_t done, int64_t total) const;  // to the silenced sink

 private:
  Context& context_;
  ProgressSink outer_;
};

}  // namespace nibble
