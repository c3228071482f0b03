#include "kernels/gemm/packed_rows.h"

#include <algorithm>

namespace nibble::kernels {
namespace {

constexpr size_t kAlign = 64;

size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }
size_t panel_bytes(const GemmKernel& kernel, int64_t k) { return aligned(kernel.panel_bytes(1, k)); }
size_t pointer_bytes(const GemmKernel& kernel) { return aligned(static_cast<size_t>(kernel.mr) * sizeof(void*)); }
size_t expanded_row_bytes(int64_t k) { return aligned(static_cast<size_t>(k) * sizeof(float)); }

// The rows of a tile as the kernel reads them; rows past m_count repeat the last.
void find_rows(const GemmKernel& kernel, const std::byte* rows, int64_t k, int m_count, const void** found,
               std::byte* floats) {
  for (int i = 0; i < kernel.mr; ++i) {
    if (i >= m_count) {
      found[i] = found[m_count - 1];
      continue;
    }
    found[i] = rows + static_cast<size_t>(i * k) * bytes_of(kernel.dtype);
    if (kernel.expand_row == nullptr) continue;
    float* to = reinterpret_cast<float*>(floats + static_cast<size_t>(i) * expanded_row_bytes(k));
    kernel.expand_row(found[i], k, to);
    found[i] = to;
  }
}

}  // namespace

int64_t packed_panels(const GemmKernel& kernel, int64_t n) { return (n + kernel.nr - 1) / kernel.nr; }
size_t packed_bytes(const GemmKernel& kernel, int64_t n, int64_t k) {
  return panel_bytes(kernel, k) * static_cast<size_t>(packed_panels(kernel, n));
}

void pack_panel(const GemmKernel& kernel, const WeightView& weight, int64_t n, int64_t k, int64_t panel, void* packed) {
  const int64_t first = panel * kernel.nr;
  kernel.pack(weight, first, static_cast<int>(std::min<int64_t>(kernel.nr, n - first)), 1, k,
              static_cast<std::byte*>(packed) + panel_bytes(kernel, k) * static_cast<size_t>(panel));
}

size_t packed_scratch_bytes(const GemmKernel& kernel, int64_t k) {
  const size_t floats = kernel.expand_row == nullptr ? 0 : static_cast<size_t>(kernel.mr) * expanded_row_bytes(k);
  return pointer_bytes(kernel) + floats;
}

void multiply_packed(const GemmKernel& kernel, const void* packed, int64_t n, int64_t k, const void* rows,
                     int64_t count, void* c, void* scratch) {
  const void** found = static_cast<const void**>(scratch);
  std::byte* floats = static_cast<std::byte*>(scratch) + pointer_bytes(kernel);
  const size_t item = bytes_of(kernel.dtype);
  TileArgs args = {};
  args.rows = found;
  args.taps = 1, args.k = k;
  args.c_stride = n;
  for (int64_t m = 0; m < count; m += kernel.mr) {
    args.m_count = static_cast<int>(std::min<int64_t>(kernel.mr, count - m));
    find_rows(kernel, static_cast<const std::byte*>(rows) + static_cast<size_t>(m * k) * item, k, args.m_count, found,
              floats);
    for (int64_t panel = 0; panel < packed_panels(kernel, n); ++panel) {
      const int64_t j = panel * kernel.nr;
      args.panel = static_cast<const std::byte*>(packed) + panel_bytes(kernel, k) * static_cast<size_t>(panel);
      args.n_count = static_cast<int>(std::min<int64_t>(kernel.nr, n - j));
      args.c = static_cast<std::byte*>(c) + static_cast<size_t>(m * n + j) * item;
      kernel.tile(args);
    }
  }
}

}  // namespace nibble::kernels
