// Loop order as in run_gemm: blocks of expanded panels that stay in the L2 cache, then tiles of rows, then the block's panels.
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/qgemm/gated.h"
#include "kernels/qgemm/rows_read.h"
#include "kernels/qgemm/table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {
namespace {

constexpr size_t kAheadBytes = size_t{3} << 20;  // of rows expanded once, before the first block, instead of tile by tile
constexpr size_t kAlign = 64;
constexpr int kMaxRows = 16;

// Of expanded panels: what leaves the second-level cache room for the rows.
size_t block_bytes() { return second_level_cache() / 8 * 5; }

size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

struct Scratch {
  size_t panel_bytes;
  int64_t block_panels;
  std::byte* panels;
  const void** rows;      // [taps][mr]
  const void** expanded;  // [taps][mr]
  std::byte* floats;      // expanded rows of a tile
  std::byte* ahead;       // rows expanded before the first tile, then one of zeros
  int64_t ahead_rows;     // how many fit
  std::byte* zeros;       // [padded_k]
  std::byte* halves;      // [mr][values | gates] of a block's columns
};

Scratch divide(const QGemmKernel& kernel, const QuantShape& s, bool gated, int64_t input_rows, std::byte* memory, size_t* used) {
  size_t at = 0;
  const auto take = [&](size_t bytes) {
    std::byte* piece = memory == nullptr ? nullptr : memory + at;
    at += aligned(bytes);
    return piece;
  };
  Scratch out{};
  const size_t row_count = static_cast<size_t>(s.taps * kernel.mr);
  out.panel_bytes = aligned(kernel.panel_bytes(s.taps, s.padded_k()));
  out.block_panels = static_cast<int64_t>(std::max<size_t>(gated ? 2 : 1, block_bytes() / out.panel_bytes));
  out.panels = take(out.panel_bytes * static_cast<size_t>(out.block_panels));
  out.rows = reinterpret_cast<const void**>(take(row_count * sizeof(void*)));
  out.expanded = reinterpret_cast<const void**>(take(row_count * sizeof(void*)));
  const size_t wide = kernel.expand_row == nullptr ? 0 : kernel.expanded_bytes(s.padded_k());
  out.floats = wide == 0 ? nullptr : take(row_count * wide);
  out.ahead_rows = wide == 0 ? 0 : std::min(input_rows, static_cast<int64_t>(kAheadBytes / wide));
  out.ahead = wide == 0 ? nullptr : take(static_cast<size_t>(out.ahead_rows + 1) * wide);
  out.zeros = take(static_cast<size_t>(s.padded_k()));
  out.halves = gated ? take(static_cast<size_t>(kernel.mr * out.block_panels * kernel.nr) * bytes_of(kernel.dtype)) : nullptr;
  *used = at;
  return out;
}

void find_rows(const QGemmKernel& kernel, const QGemmProblem& p, int64_t m, int m_count, const Scratch& scratch) {
  const std::byte* a = reinterpret_cast<const std::byte*>(p.a);
  if (p.conv == nullptr) {
    for (int i = 0; i < kernel.mr; ++i) scratch.rows[i] = a + (m + std::min(i, m_count - 1)) * p.a_stride;
    return;
  }
  Pixel pixel = pixel_at(*p.conv, m);
  for (int i = 0; i < m_count; ++i, pixel.next(*p.conv))
    find_taps(*p.conv, pixel, a, p.a_stride, scratch.zeros, kernel.mr, scratch.rows + i);
  for (int64_t tap = 0; tap < p.weight.shape.taps; ++tap) {
    const void** rows = scratch.rows + tap * kernel.mr;
    std::fill(rows + m_count, rows + kernel.mr, rows[m_count - 1]);
  }
}

int64_t input_rows_of(const QGemmProblem& p) {
  if (p.conv == nullptr) return p.m;
  return p.m / (p.conv->out_height * p.conv->out_width) * p.conv->height * p.conv->width;
}

// Expands the rows in one go where they fit into the scratch memory.
bool expand_ahead(const QGemmKernel& kernel, const QGemmProblem& p, const RowRange& rows, const Scratch& scratch) {
  if (kernel.expand_row == nullptr || rows.end - rows.begin > scratch.ahead_rows) return false;
  const int64_t k = p.weight.shape.padded_k();
  const size_t bytes = kernel.expanded_bytes(k);
  std::byte* to = scratch.ahead;
  for (int64_t r = rows.begin; r < rows.end; ++r, to += bytes) kernel.expand_row(p.a + r * p.a_stride, k, to);
  std::memset(to, 0, bytes);
  return true;
}

void find_expanded(const QGemmKernel& kernel, const QGemmProblem& p, const RowRange& rows, const Scratch& scratch) {
  const RowNumber number(p.a, p.a_stride);
  const size_t bytes = kernel.expanded_bytes(p.weight.shape.padded_k());
  for (int64_t at = 0; at < p.weight.shape.taps * kernel.mr; ++at) {
    const bool outside = scratch.rows[at] == scratch.zeros;
    scratch.expanded[at] = scratch.ahead + bytes * static_cast<size_t>((outside ? rows.end : number(scratch.rows[at])) - rows.begin);
  }
}

// Neighbouring pixels of a convolution share most of their rows: each is expanded once.
void expand_rows(const QGemmKernel& kernel, const QuantShape& s, const Scratch& scratch) {
  const int mr = kernel.mr;
  const size_t bytes = kernel.expanded_bytes(s.padded_k());
  std::byte* next = scratch.floats;
  for (int64_t tap = 0; tap < s.taps; ++tap)
    for (int i = 0; i < mr; ++i) {
      const int64_t at = tap * mr + i, same_pixel = at - mr + 1, same_row = at - 1;
      const void* row = scratch.rows[at];
      if (tap > 0 && i + 1 < mr && scratch.rows[same_pixel] == row) {
        scratch.expanded[at] = scratch.expanded[same_pixel];
      } else if (i > 0 && scratch.rows[same_row] == row) {
        scratch.expanded[at] = scratch.expanded[same_row];
      } else {
        kernel.expand_row(static_cast<const int8_t*>(row), s.padded_k(), next);
        scratch.expanded[at] = next;
        next += bytes;
      }
    }
}

// Scales and sums of a tile's rows; a convolution has one scale an image and sums over its taps.
void gather(const QGemmKernel& kernel, const QGemmProblem& p, int64_t m, int m_count, const Scratch& scratch, float* scales,
            int32_t* sums) {
  const int64_t pixels = p.conv == nullptr ? 1 : p.conv->out_height * p.conv->out_width;
  const RowNumber number(p.a, p.a_stride);
  for (int i = 0; i < kernel.mr; ++i) {
    const int64_t row = m + std::min(i, m_count - 1);
    scales[i] = p.a_scales[row / pixels];
    sums[i] = 0;
    for (int64_t tap = 0; kernel.wants_sums && tap < p.weight.shape.taps; ++tap) {
      const void* at = scratch.rows[tap * kernel.mr + i];
      if (at != scratch.zeros) sums[i] += p.sums[number(at)];
    }
  }
}

// Channels of the weight whose panels are expanded, and where their columns of C go.
struct Strip {
  int64_t begin, end;
  int64_t panel;  // of the scratch
  std::byte* c;
  int64_t c_stride;
};

void run_tiles(const QGemmKernel& kernel, const QGemmProblem& p, int64_t m, int m_count, const Strip& strip,
               const Scratch& scratch) {
  float scales[kMaxRows];
  int32_t sums[kMaxRows];
  gather(kernel, p, m, m_count, scratch, scales, sums);
  const size_t item = bytes_of(kernel.dtype);
  QTileArgs args{};
  args.rows = kernel.expand_row != nullptr ? scratch.expanded : scratch.rows;
  args.taps = p.weight.shape.taps;
  args.padded_k = p.weight.shape.padded_k();
  args.m_count = m_count;
  args.sums = sums;
  args.a_scales = scales;
  args.c_stride = strip.c_stride;
  args.residual_stride = p.residual_stride;
  args.rank = p.rank;
  args.h = p.rank == 0 ? nullptr : static_cast<const std::byte*>(p.h) + static_cast<size_t>(m * p.rank) * bytes_of(kernel.branch);
  const std::byte* panel = scratch.panels + scratch.panel_bytes * static_cast<size_t>(strip.panel);
  for (int64_t n = strip.begin; n < strip.end; n += kernel.nr, panel += scratch.panel_bytes) {
    args.panel = panel;
    args.n_count = static_cast<int>(std::min<int64_t>(kernel.nr, strip.end - n));
    args.w_scales = p.weight.scales + n;
    args.bias = p.bias == nullptr ? nullptr : p.bias + n;
    args.up = p.rank == 0 ? nullptr : p.up + n * p.rank;
    args.c = strip.c + static_cast<size_t>(n - strip.begin) * item;
    if (p.residual != nullptr)
      args.residual = static_cast<const std::byte*>(p.residual) + static_cast<size_t>(m * p.residual_stride + n) * item;
    kernel.tile(args);
  }
}

// Columns [n, n_end) of C from the block's panels.
void run_block(const QGemmKernel& kernel, const QGemmProblem& p, int64_t m, int m_count, int64_t n, int64_t n_end, const Scratch& scratch) {
  const size_t item = bytes_of(kernel.dtype);
  std::byte* c = static_cast<std::byte*>(p.c) + static_cast<size_t>(m * p.c_stride + n) * item;
  if (p.gate == nullptr) return run_tiles(kernel, p, m, m_count, {n, n_end, 0, c, p.c_stride}, scratch);
  const int64_t half = p.weight.shape.n / 2, columns = n_end - n, panels = (columns + kernel.nr - 1) / kernel.nr;
  run_tiles(kernel, p, m, m_count, {n, n_end, 0, scratch.halves, 2 * columns}, scratch);
  run_tiles(kernel, p, m, m_count, {half + n, half + n_end, panels, scratch.halves + static_cast<size_t>(columns) * item, 2 * columns}, scratch);
  finish_gated(*p.gate, {scratch.halves, m_count, columns, c, p.c_stride});
}

}  // namespace

const QGemmKernel& select_qgemm(CpuMask mask, DType output) { return select_kernel(kQGemmKernels, mask, output); }
int qgemm_row_tile(const QGemmKernel& kernel) { return kernel.mr; }
int qgemm_column_tile(const QGemmKernel& kernel) { return kernel.nr; }
const char* qgemm_name(const QGemmKernel& kernel) { return kernel.name; }
DType qgemm_branch_dtype(const QGemmKernel& kernel) { return kernel.branch; }

size_t qgemm_scratch_bytes(const QGemmKernel& kernel, const QuantShape& shape, bool gated, int64_t input_rows) {
  size_t used = 0;
  divide(kernel, shape, gated, input_rows, nullptr, &used);
  return used + kAlign;
}

void run_qgemm(const QGemmKernel& kernel, const QGemmProblem& p, int64_t m_begin, int64_t m_end, int64_t n_begin, int64_t n_end,
               void* memory) {
  if (m_begin >= m_end) return;
  NIBBLE_DCHECK(n_begin % kernel.nr == 0 && kernel.mr <= kMaxRows);
  size_t used = 0;
  const Scratch scratch =
      divide(kernel, p.weight.shape, p.gate != nullptr, input_rows_of(p), reinterpret_cast<std::byte*>(aligned(reinterpret_cast<size_t>(memory))), &used);
  std::memset(scratch.zeros, 0, static_cast<size_t>(p.weight.shape.padded_k()));
  const RowRange rows = rows_read(p.conv, m_begin, m_end);
  const bool ahead = expand_ahead(kernel, p, rows, scratch);
  const int64_t block = (p.gate != nullptr ? scratch.block_panels / 2 : scratch.block_panels) * kernel.nr, half = p.weight.shape.n / 2;
  for (int64_t n = n_begin; n < n_end; n += block) {
    const int64_t block_end = std::min(n + block, n_end);
    std::byte* panel = scratch.panels;
    for (int64_t j = n; j < block_end; j += kernel.nr, panel += scratch.panel_bytes)
      kernel.expand(p.weight, j / kPanelChannels, panel);
    for (int64_t j = n; p.gate != nullptr && j < block_end; j += kernel.nr, panel += scratch.panel_bytes)
      kernel.expand(p.weight, (half + j) / kPanelChannels, panel);
    for (int64_t m = m_begin; m < m_end; m += kernel.mr) {
      const int m_count = static_cast<int>(std::min<int64_t>(kernel.mr, m_end - m));
      find_rows(kernel, p, m, m_count, scratch);
      if (ahead) find_expanded(kernel, p, rows, scratch);
      else if (kernel.expand_row != nullptr) expand_rows(kernel, p.weight.shape, scratch);
      run_block(kernel, p, m, m_count, n, block_end, scratch);
    }
  }
}

}  // namespace nibble::kernels
