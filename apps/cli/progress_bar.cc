#include "apps/cli/progress_bar.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "base/error.h"

namespace nibble::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPlainEvery{20};

// The terminal line is the one thing that really is shared by the whole program.
struct Line {
  std::string stage;
  Clock::time_point start;
  int64_t first = 0;  // done before: a run that goes on
  bool visible = false;
  Clock::time_point told{};  // of a plain line, where there is no terminal
};
Line line;

std::string duration(double seconds) {
  const int s = static_cast<int>(seconds + 0.5);
  if (s >= 3600) return format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return format("{}:{:02}", s / 60, s % 60);
}

std::string bar(int64_t done, int64_t total) {
  constexpr int kWidth = 24;
  const int full = total > 0 ? static_cast<int>(kWidth * done / total) : 0;
  std::string text;
  for (int i = 0; i < kWidth; ++i) text += i < full ? "█" : "░";
  return text;
}

}  // namespace

void show_progress(const std::string& stage, int64_t done, int64_t total) {
  if (total <= 0) return;
  const bool terminal = isatty(STDERR_FILENO) != 0;
  if (stage != line.stage) line = {stage, Clock::now(), done, line.visible, Clock::now()};
  const std::chrono::duration<double> took = Clock::now() - line.start;
  std::string times = duration(took.count());
  if (done > line.first && done < total)
    times += format(", {} left", duration(took.count() / static_cast<double>(done - line.first) * static_cast<double>(total - done)));
  if (!terminal) {
    // Into a file: a line now and then, and nothing of what is over at once.
    if (Clock::now() - line.told < kPlainEvery) return;
    line.told = Clock::now();
    std::fprintf(stderr, "%s %lld/%lld  %s\n", stage.c_str(), static_cast<long long>(done), static_cast<long long>(total), times.c_str());
    std::fflush(stderr);
    return;
  }
  std::fprintf(stderr, "\r%s\033[K", format("{:<8} {} {}/{}  {}", stage, bar(done, total), done, total, times).c_str());
  line.visible = true;
  if (done == total) {
    std::fputc('\n', stderr);
    line.visible = false;
  }
  std::fflush(stderr);
}

void clear_progress() {
  if (line.visible) std::fputc('\n', stderr);
  line.visible = false;
}

}  // namespace nibble::cli
