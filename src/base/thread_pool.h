// A fixed set of threads that split a range statically: the same split for the same thread count, no queue, no stealing.
// The caller's thread works too. Results must not depend on the split; callers keep every sum inside one item.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace nibble {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // >= 1, counting the caller's thread
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  // Calls body(begin, end, thread) for at most size() contiguous parts of [0, count), each a multiple of `grain` long
  // but the last. Returns when all are done; the first exception of any part is thrown again here.
  // Not reentrant: body must not call run() of the same pool.
  void run(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t, int)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Hardware threads of this machine, at least 1.
int default_thread_count();

}  // namespace nibble
