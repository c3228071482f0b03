#include "base/thread_pool.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"

namespace nibble {

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable start, done;
  uint64_t round = 0;
  int pending = 0;
  bool stop = false;
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

  void loop(int thread) {
    uint64_t seen = 0;
    for (;;) {
      {
        std::unique_lock lock(mutex);
        start.wait(lock, [&] { return stop || round != seen; });
        if (stop) return;
        seen = round;
      }
      run_part(thread);
      std::lock_guard lock(mutex);
      if (--pending == 0) done.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  NIBBLE_CHECK(threads >= 1, "thread count {}", threads);
  for (int i = 1; i < threads; ++i) state_->threads.emplace_back([s = state_.get(), i] { s->loop(i); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->start.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

int ThreadPool::size() const { return static_cast<int>(state_->threads.size()) + 1; }

void ThreadPool::run(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t, int)>& body) {
  if (count <= 0) return;
  const int64_t grains = (count + grain - 1) / grain;
  const int64_t part = (grains + size() - 1) / size() * grain;
  if (size() == 1 || part >= count) return body(0, count, 0);
  State& s = *state_;
  {
    std::lock_guard lock(s.mutex);
    s.count = count;
    s.part = part;
    s.body = &body;
    s.error = nullptr;
    s.pending = size() - 1;
    ++s.round;
  }
  s.start.notify_all();
  s.run_part(0);
  std::unique_lock lock(s.mutex);
  s.done.wait(lock, [&] { return s.pending == 0; });
  if (s.error) std::rethrow_exception(s.error);
}

int default_thread_count() { return std::max(1u, std::thread::hardware_concurrency()); }

}  // namespace nibble
