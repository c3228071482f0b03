#include "tensor/arena_plan.h"

#include <algorithm>
#include <numeric>

namespace nibble {
namespace {

constexpr size_t kAlign = 64;

size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

bool meet(const BufferLife& a, const BufferLife& b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

ArenaPlan plan_arena(const std::vector<BufferLife>& buffers) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  ArenaPlan plan{std::vector<size_t>(buffers.size(), 0), 0};
  std::vector<size_t> placed;  // sorted by offset
  for (size_t i : order) {
    const size_t bytes = aligned(buffers[i].bytes);
    size_t offset = 0;
    for (size_t j : placed) {
      if (!meet(buffers[i], buffers[j])) continue;
      if (offset + bytes <= plan.offsets[j]) break;
      offset = std::max(offset, plan.offsets[j] + aligned(buffers[j].bytes));
    }
    plan.offsets[i] = offset;
    plan.bytes = std::max(plan.bytes, offset + bytes);
    const auto behind = [&](size_t value, size_t j) { return value < plan.offsets[j]; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), offset, behind), i);
  }
  return plan;
}

size_t arena_lower_bound(const std::vector<BufferLife>& buffers) {
  int steps = 0;
  for (const BufferLife& b : buffers) steps = std::max(steps, b.last + 1);
  std::vector<size_t> alive(static_cast<size_t>(steps), 0);
  for (const BufferLife& b : buffers)
    for (int s = b.first; s <= b.last; ++s) alive[static_cast<size_t>(s)] += aligned(b.bytes);
  return alive.empty() ? 0 : *std::max_element(alive.begin(), alive.end());
}

}  // namespace nibble
