#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"

namespace nibble {
namespace {

// A network's ops follow each other closely: waiting awake for so long costs less than sleeping and being woken.
constexpr std::chrono::microseconds kAwake(50);

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Until the condition holds or the time is over; true when it holds.
template <typename Condition>
bool wait_awake(std::chrono::microseconds time, const Condition& holds) {
  const auto end = std::chrono::steady_clock::now() + time;
  do {
    for (int i = 0; i < 64; ++i) {
      if (holds()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return holds();
}

}  // namespace

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable start, done;
  std::chrono::microseconds awake{};
  std::atomic<uint64_t> round{0};
  std::atomic<int> pending{0};
  std::atomic<bool> stop{false};
  // Written before a round begins.
  int64_t count = 0, part = 0;
  const std::function<void(int64_t, int64_t, int)>* body = nullptr;
  std::exception_ptr error;
  std::vector<std::thread> threads;

  void run_part(int thread) {
    const int64_t begin = std::min(count, part * thread), end = std::min(count, begin + part);
    if (begin >= end) return;
    try {
      (*body)(begin, end, thread);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  }

  // Awake first, then asleep. What ends a wait changes before the mutex is taken to notify, so that no notice is missed.
  template <typename Condition>
  void wait(std::condition_variable& notice, const Condition& holds) {
    if (wait_awake(awake, holds)) return;
    std::unique_lock lock(mutex);
    notice.wait(lock, holds);
  }
  void notify(std::condition_variable& notice) {
    { std::lock_guard lock(mutex); }
    notice.notify_all();
  }

  void loop(int thread) {
    for (uint64_t seen = 0;; ++seen) {
      wait(start, [&] { return stop.load(std::memory_order_acquire) || round.load(std::memory_order_acquire) != seen; });
      if (stop.load(std::memory_order_acquire)) return;
      run_part(thread);
      if (pending.fetch_sub(1, std::memory_order_acq_rel) == 1) notify(done);
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  NIBBLE_CHECK(threads >= 1, "thread count {}", threads);
  if (threads <= default_thread_count()) state_->awake = kAwake;  // otherwise they would keep each other from working
  for (int i = 1; i < threads; ++i) state_->threads.emplace_back([s = state_.get(), i] { s->loop(i); });
}

ThreadPool::~ThreadPool() {
  state_->stop.store(true, std::memory_order_release);
  state_->notify(state_->start);
  for (std::thread& thread : state_->threads) thread.join();
}

int ThreadPool::size() const { return static_cast<int>(state_->threads.size()) + 1; }

void ThreadPool::run(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t, int)>& body) {
  if (count <= 0) return;
  const int64_t grains = (count + grain - 1) / grain;
  const int64_t part = (grains + size() - 1) / size() * grain;
  if (size() == 1 || part >= count) return body(0, count, 0);
  State& s = *state_;
  s.count = count;
  s.part = part;
  s.body = &body;
  s.error = nullptr;
  s.pending.store(size() - 1, std::memory_order_relaxed);
  s.round.fetch_add(1, std::memory_order_release);
  s.notify(s.start);
  s.run_part(0);
  s.wait(s.done, [&] { return s.pending.load(std::memory_order_acquire) == 0; });
  if (s.error) std::rethrow_exception(s.error);
}

int default_thread_count() { return std::max(1u, std::thread::hardware_concurrency()); }

}  // namespace nibble
