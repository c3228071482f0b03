// Splits rows or elements over the context's threads in parts large enough to be worth a thread.
#pragma once

#include <algorithm>

#include "base/context.h"

namespace nibble::ops {

// body(begin, end) over [0, rows), where a row has `width` elements.
template <typename Body>
void parallel_rows(Context& context, int64_t rows, int64_t width, const Body& body) {
  constexpr int64_t kElementsPerPart = 16384;
  const int64_t grain = std::max<int64_t>(1, kElementsPerPart / std::max<int64_t>(width, 1));
  context.threads.run(rows, grain, [&](int64_t begin, int64_t end, int) { body(begin, end); });
}

}  // namespace nibble::ops
