// Loop order: blocks of panels that stay in the L2 cache, then tiles of rows, then the panels of the block, so a weight
// is expanded once per call and a row's activations are read once per block.
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/tap_rows.h"

namespace nibble::kernels {
namespace {

constexpr size_t kAlign = 64;
constexpr int64_t kLine = 64;  // bytes of a cache line
constexpr int64_t kPrefetchBytes = 16 * 1024;

size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

struct Scratch {
  size_t panel_bytes;
  int64_t block_panels;
  std::byte* panels;
  const void** rows;      // [taps][mr]
  const void** next;      // the same for the following tile
  std::byte* zeros;       // [k]
  const void** expanded;  // [taps][mr], for kernels that want float rows
  float* floats;          // [taps * mr][k]
};

// Panels that share the L2 cache with the rows. Few large ones may take more of it, so that rows are read less often.
int64_t block_panels(size_t panel_bytes) {
  const size_t usual = second_level_cache() / 2 / panel_bytes, large = std::min<size_t>(second_level_cache() / 4 * 3 / panel_bytes, 4);
  return static_cast<int64_t>(std::max<size_t>({usual, large, 1}));
}

// Takes aligned pieces off a block of memory; from null it measures.
struct Pieces {
  size_t used = 0;
  std::byte* memory = nullptr;
  std::byte* take(size_t bytes) {
    std::byte* piece = memory == nullptr ? nullptr : memory + used;
    used += aligned(bytes);
    return piece;
  }
};

Scratch divide(const GemmKernel& kernel, int64_t taps, int64_t k, Pieces& pieces) {
  Scratch s;
  const size_t row_count = static_cast<size_t>(taps * kernel.mr);
  s.panel_bytes = std::max(kAlign, aligned(kernel.panel_bytes(taps, k)));
  s.block_panels = block_panels(s.panel_bytes);
  s.panels = pieces.take(s.panel_bytes * static_cast<size_t>(s.block_panels));
  s.rows = reinterpret_cast<const void**>(pieces.take(row_count * sizeof(void*)));
  s.next = reinterpret_cast<const void**>(pieces.take(row_count * sizeof(void*)));
  s.zeros = pieces.take(static_cast<size_t>(k) * bytes_of(kernel.dtype));
  s.expanded = nullptr;
  s.floats = nullptr;
  if (kernel.expand_row == nullptr) return s;
  s.expanded = reinterpret_cast<const void**>(pieces.take(row_count * sizeof(void*)));
  s.floats = reinterpret_cast<float*>(pieces.take(row_count * static_cast<size_t>(k) * sizeof(float)));
  return s;
}

void find_rows(const GemmKernel& kernel, const GemmProblem& problem, int64_t m, int m_count, const Scratch& scratch,
               const void** found) {
  const std::byte* a = static_cast<const std::byte*>(problem.a);
  const int64_t row_bytes = problem.a_stride * static_cast<int64_t>(bytes_of(kernel.dtype));
  if (problem.conv == nullptr) {
    for (int i = 0; i < kernel.mr; ++i) found[i] = a + (m + std::min(i, m_count - 1)) * row_bytes;
    return;
  }
  Pixel pixel = pixel_at(*problem.conv, m);
  for (int i = 0; i < m_count; ++i, pixel.next(*problem.conv))
    find_taps(*problem.conv, pixel, a, row_bytes, scratch.zeros, kernel.mr, found + i);
  for (int64_t tap = 0; tap < problem.taps; ++tap) {
    const void** rows = found + tap * kernel.mr;
    std::fill(rows + m_count, rows + kernel.mr, rows[m_count - 1]);
  }
}

// Fills scratch.expanded. Neighbouring pixels of a convolution share most of their rows: each is expanded once.
void expand_rows(const GemmKernel& kernel, int64_t taps, int64_t k, const Scratch& scratch) {
  const int mr = kernel.mr;
  float* next = scratch.floats;
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int i = 0; i < mr; ++i) {
      const int64_t at = tap * mr + i, same_pixel = at - mr + 1, same_row = at - 1;
      const void* row = scratch.rows[at];
      if (tap > 0 && i + 1 < mr && scratch.rows[same_pixel] == row) {
        scratch.expanded[at] = scratch.expanded[same_pixel];
      } else if (i > 0 && scratch.rows[same_row] == row) {
        scratch.expanded[at] = scratch.expanded[same_row];
      } else {
        kernel.expand_row(row, k, next);
        scratch.expanded[at] = next;
        next += k;
      }
    }
}

// Asks the memory for part `part` of `parts` of the next tile's rows. Longer rows are left to the processor's own
// prefetching: asking for many lines at once holds up the tile.
void prefetch_next(const GemmKernel& kernel, const GemmProblem& problem, int64_t part, int64_t parts,
                   const Scratch& scratch) {
  const int64_t bytes = problem.k * static_cast<int64_t>(bytes_of(kernel.dtype));
  if (problem.conv != nullptr || bytes * kernel.mr > kPrefetchBytes) return;
  for (int64_t i = kernel.mr * part / parts; i < kernel.mr * (part + 1) / parts; ++i)
    for (int64_t at = 0; at < bytes; at += kLine)
      __builtin_prefetch(static_cast<const char*>(scratch.next[i]) + at, 0, 2);
}

// One tile of rows against the panels of a block, whose first column is n.
void run_tiles(const GemmKernel& kernel, const GemmProblem& problem, int64_t m, int m_count, int64_t n, int64_t n_end,
               const Scratch& scratch) {
  const size_t item = bytes_of(kernel.dtype);
  TileArgs args = {};
  args.rows = kernel.expand_row != nullptr ? scratch.expanded : scratch.rows;
  args.taps = problem.taps;
  args.k = problem.k;
  args.m_count = m_count;
  args.c_stride = problem.c_stride;
  args.residual_stride = problem.residual_stride;
  const std::byte* panel = scratch.panels;
  const int64_t panels = (n_end - n + kernel.nr - 1) / kernel.nr;
  for (int64_t i = 0; i < panels; ++i, n += kernel.nr, panel += scratch.panel_bytes) {
    prefetch_next(kernel, problem, i, panels, scratch);
    args.panel = panel;
    args.n_count = static_cast<int>(std::min<int64_t>(kernel.nr, n_end - n));
    args.c = static_cast<std::byte*>(problem.c) + static_cast<size_t>(m * problem.c_stride + n) * item;
    args.bias = problem.bias == nullptr ? nullptr : problem.bias + n;
    if (problem.residual != nullptr)
      args.residual =
          static_cast<const std::byte*>(problem.residual) + static_cast<size_t>(m * problem.residual_stride + n) * item;
    kernel.tile(args);
  }
}

}  // namespace

size_t gemm_scratch_bytes(const GemmKernel& kernel, int64_t taps, int64_t k) {
  Pieces pieces;
  divide(kernel, taps, k, pieces);
  return pieces.used + kAlign;
}

void run_gemm(const GemmKernel& kernel, const GemmProblem& problem, int64_t m_begin, int64_t m_end, int64_t n_begin,
              int64_t n_end, void* memory) {
  if (m_begin >= m_end) return;
  NIBBLE_DCHECK(n_begin % kernel.nr == 0);
  NIBBLE_DCHECK(problem.conv != nullptr ? problem.taps == problem.conv->kernel_h * problem.conv->kernel_w
                                        : problem.taps == 1);
  Pieces pieces = {0, reinterpret_cast<std::byte*>(aligned(reinterpret_cast<size_t>(memory)))};
  Scratch scratch = divide(kernel, problem.taps, problem.k, pieces);
  if (problem.conv != nullptr) std::memset(scratch.zeros, 0, static_cast<size_t>(problem.k) * bytes_of(kernel.dtype));
  const int64_t block = scratch.block_panels * kernel.nr;
  for (int64_t n = n_begin; n < n_end; n += block) {
    const int64_t block_end = std::min(n + block, n_end);
    std::byte* panel = scratch.panels;
    for (int64_t j = n; j < block_end; j += kernel.nr, panel += scratch.panel_bytes)
      kernel.pack(problem.weight, j, static_cast<int>(std::min<int64_t>(kernel.nr, block_end - j)), problem.taps,
                  problem.k, panel);
    const auto count_at = [&](int64_t m) { return static_cast<int>(std::min<int64_t>(kernel.mr, m_end - m)); };
    find_rows(kernel, problem, m_begin, count_at(m_begin), scratch, scratch.rows);
    for (int64_t m = m_begin; m < m_end; m += kernel.mr) {
      const int64_t next = m + kernel.mr < m_end ? m + kernel.mr : m;
      find_rows(kernel, problem, next, count_at(next), scratch, scratch.next);
      if (kernel.expand_row != nullptr) expand_rows(kernel, problem.taps, problem.k, scratch);
      run_tiles(kernel, problem, m, count_at(m), n, block_end, scratch);
      std::swap(scratch.rows, scratch.next);
    }
  }
}

}  // namespace nibble::kernels
