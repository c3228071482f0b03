// Storage of arrays that are made anew often, on pages of 2 MB where the system has them: few faults when they are first written.
#pragma once

#include <cstdlib>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace nibble {

template <typename T>
struct LargePages {
  using value_type = T;
  static constexpr size_t kPage = size_t{2} << 20, kLine = 64;

  LargePages() = default;
  template <typename U>
  LargePages(const LargePages<U>&) {}

  T* allocate(size_t count) {
    const size_t page = count * sizeof(T) >= 4 * kPage ? kPage : kLine;
    const size_t bytes = (count * sizeof(T) + page - 1) / page * page;
    void* data = bytes / sizeof(T) < count ? nullptr : std::aligned_alloc(page, bytes);
    if (data == nullptr) throw std::bad_alloc();
#ifdef __linux__
    if (page == kPage) ::madvise(data, bytes, MADV_HUGEPAGE);  // advice: without such pages nothing changes
#endif
    return static_cast<T*>(data);
  }
  void deallocate(T* data, size_t) { std::free(data); }

  template <typename U>
  bool operator==(const LargePages<U>&) const { return true; }
};

}  // namespace nibble
