#include "metrics/subset_random.h"

#include <bit>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace nibble {
namespace {

std::vector<int64_t> numbers(int64_t n) {
  NIBBLE_CHECK(n >= 0 && n < (int64_t{1} << 32) / 20, "permutation of {}", n);
  std::vector<int64_t> list(static_cast<size_t>(n));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

}  // namespace

std::vector<int64_t> numpy_permutation(Generator& random, int64_t n) {
  std::vector<int64_t> list = numbers(n);
  for (uint32_t i = static_cast<uint32_t>(list.size()); i-- > 1;) {
    const uint32_t mask = ~uint32_t{0} >> std::countl_zero(i);
    uint32_t j = random.next_u32() & mask;
    while (j > i) j = random.next_u32() & mask;
    std::swap(list[i], list[j]);
  }
  return list;
}

std::vector<int64_t> torch_permutation(Generator& random, int64_t n) {
  std::vector<int64_t> list = numbers(n);
  for (size_t i = 0; i + 1 < list.size(); ++i) std::swap(list[i], list[i + random.next_u32() % (list.size() - i)]);
  return list;
}

}  // namespace nibble
