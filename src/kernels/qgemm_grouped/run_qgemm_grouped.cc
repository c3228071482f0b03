// Loop order as in run_qgemm.
#include <algorithm>

#include "base/check.h"
#include "kernels/qgemm/gated.h"
#include "kernels/qgemm/rows_read.h"
#include "kernels/qgemm_grouped/table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {
namespace {

constexpr size_t kAlign = 64;

// Of expanded panels, half of the second-level cache.
size_t block_bytes() { return second_level_cache() / 2; }

size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

int64_t step_of(const QuantShape& s) { return std::min(s.group, kActivationGroup); }
int64_t steps_of(const QuantShape& s) { return (s.padded_k() + step_of(s) - 1) / step_of(s); }

struct Scratch {
  size_t panel_bytes, ratio_count;
  int64_t block_panels;
  std::byte* panels;
  float* ratios;       // [block_panels][taps][groups][nr]
  const void** rows;       // [taps][mr]
  const float** scales;    // [taps][mr]
  const int32_t** starts;  // [taps][mr]
  int32_t* row_starts;     // [input rows + 1][steps], the last those of the padding
  std::byte* halves;   // [mr][values | gates] of a block's columns
};

Scratch divide(const QGemmGroupedKernel& kernel, const QuantShape& s, bool gated, int64_t input_rows, std::byte* memory, size_t* used) {
  size_t at = 0;
  const auto take = [&](size_t bytes) {
    std::byte* piece = memory == nullptr ? nullptr : memory + at;
    at += aligned(bytes);
    return piece;
  };
  Scratch out{};
  out.panel_bytes = aligned(kernel.panel_bytes(s.taps, s.padded_k()));
  out.ratio_count = static_cast<size_t>(s.taps * s.groups() * kernel.nr);
  out.block_panels = static_cast<int64_t>(std::max<size_t>(gated ? 2 : 1, block_bytes() / out.panel_bytes));
  out.panels = take(out.panel_bytes * static_cast<size_t>(out.block_panels));
  out.ratios = reinterpret_cast<float*>(take(out.ratio_count * sizeof(float) * static_cast<size_t>(out.block_panels)));
  const size_t row_count = static_cast<size_t>(s.taps * kernel.mr);
  out.rows = reinterpret_cast<const void**>(take(row_count * sizeof(void*)));
  out.scales = reinterpret_cast<const float**>(take(row_count * sizeof(void*)));
  out.starts = reinterpret_cast<const int32_t**>(take(row_count * sizeof(void*)));
  const int64_t start_count = kernel.wants_sums ? (input_rows + 1) * steps_of(s) : 0;
  out.row_starts = reinterpret_cast<int32_t*>(take(static_cast<size_t>(start_count) * sizeof(int32_t)));
  out.halves = gated ? take(static_cast<size_t>(kernel.mr * out.block_panels * kernel.nr) * bytes_of(kernel.dtype)) : nullptr;
  *used = at;
  return out;
}

void find_rows(const QGemmGroupedKernel& kernel, const QGemmGroupedProblem& p, int64_t m, int m_count, const Scratch& scratch) {
  const std::byte* a = reinterpret_cast<const std::byte*>(p.a);
  const int mr = kernel.mr;
  const int64_t taps = p.weight.shape.taps;
  if (p.conv == nullptr) {
    for (int i = 0; i < mr; ++i) scratch.rows[i] = a + (m + std::min(i, m_count - 1)) * p.a_stride;
  } else {
    Pixel pixel = pixel_at(*p.conv, m);
    for (int i = 0; i < m_count; ++i, pixel.next(*p.conv))
      find_taps(*p.conv, pixel, a, p.a_stride, p.pad_codes, mr, scratch.rows + i);
    for (int64_t tap = 0; tap < taps; ++tap) {
      const void** rows = scratch.rows + tap * mr;
      std::fill(rows + m_count, rows + mr, rows[m_count - 1]);
    }
  }
}

// What takes the weights' + 8 back, for the rows that will be read and the padding.
void make_starts(const QGemmGroupedProblem& p, const RowRange& rows, const Scratch& scratch) {
  const QuantShape& s = p.weight.shape;
  const int64_t step = step_of(s), steps = steps_of(s), blocks = s.padded_k() / 32;
  const auto make = [&](const int32_t* sums, int32_t* to) {
    if (step == 32) {
      for (int64_t j = 0; j < steps; ++j) to[j] = -8 * sums[j];
      return;
    }
    for (int64_t j = 0; j < blocks / 2; ++j) to[j] = -8 * (sums[2 * j] + sums[2 * j + 1]);
    if (blocks % 2 != 0) to[steps - 1] = -8 * sums[blocks - 1];
  };
  int32_t* to = scratch.row_starts;
  for (int64_t r = rows.begin; r < rows.end; ++r, to += steps) make(p.sums + r * blocks, to);
  if (p.conv != nullptr) make(p.pad_sums, to);
}

// The scales and starts of a tile's rows.
void find_scales(const QGemmGroupedKernel& kernel, const QGemmGroupedProblem& p, const RowRange& rows, const Scratch& scratch) {
  const QuantShape& s = p.weight.shape;
  const int64_t steps = steps_of(s), groups = (s.padded_k() + kActivationGroup - 1) / kActivationGroup;
  const RowNumber number(p.a, p.a_stride);
  for (int64_t i = 0; i < s.taps * kernel.mr; ++i) {
    const bool is_pad = scratch.rows[i] == p.pad_codes;
    const int64_t row = is_pad ? rows.end : number(scratch.rows[i]);
    scratch.scales[i] = is_pad ? p.pad_scales : p.a_scales + row * groups;
    scratch.starts[i] = scratch.row_starts + (row - rows.begin) * steps;
  }
}

// Channels [n, n_end) into the panels from `first` on.
void expand_block(const QGemmGroupedKernel& kernel, const QuantWeightView& w, int64_t n, int64_t n_end, int64_t first,
                  const Scratch& scratch) {
  std::byte* panel = scratch.panels + scratch.panel_bytes * static_cast<size_t>(first);
  float* ratios = scratch.ratios + scratch.ratio_count * static_cast<size_t>(first);
  const int64_t count = w.shape.taps * w.shape.groups(), parts = kernel.nr / kPanelChannels;
  for (; n < n_end; n += kernel.nr, panel += scratch.panel_bytes, ratios += scratch.ratio_count) {
    kernel.expand(w, n / kPanelChannels, panel);
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t stored = n / kPanelChannels + part;
      const int16_t* from = w.ratios + stored * count * kPanelChannels;
      for (int64_t i = 0; i < count; ++i)
        for (int64_t lane = 0; lane < kPanelChannels; ++lane)
          ratios[i * kernel.nr + part * kPanelChannels + lane] =
              stored < w.shape.panels() ? static_cast<float>(from[i * kPanelChannels + lane]) * (1.0f / kRatioOne) : 0.0f;
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

void run_tiles(const QGemmGroupedKernel& kernel, const QGemmGroupedProblem& p, int64_t m, int m_count, const Strip& strip,
               const Scratch& scratch) {
  const size_t item = bytes_of(kernel.dtype);
  QGroupedTileArgs args{};
  args.rows = scratch.rows;
  args.scales = scratch.scales;
  args.starts = scratch.starts;
  args.taps = p.weight.shape.taps;
  args.padded_k = p.weight.shape.padded_k();
  args.step = step_of(p.weight.shape);
  args.steps = steps_of(p.weight.shape);
  args.groups = p.weight.shape.groups();
  args.scale_shift = args.step < kActivationGroup;
  args.ratio_shift = p.weight.shape.group > args.step;
  args.m_count = m_count;
  args.c_stride = strip.c_stride;
  args.residual_stride = p.residual_stride;
  args.rank = p.rank;
  args.h = p.rank == 0 ? nullptr : p.h + m * p.rank;
  const std::byte* panel = scratch.panels + scratch.panel_bytes * static_cast<size_t>(strip.panel);
  args.ratios = scratch.ratios + scratch.ratio_count * static_cast<size_t>(strip.panel);
  for (int64_t n = strip.begin; n < strip.end; n += kernel.nr, panel += scratch.panel_bytes, args.ratios += scratch.ratio_count) {
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
void run_block(const QGemmGroupedKernel& kernel, const QGemmGroupedProblem& p, int64_t m, int m_count, int64_t n, int64_t n_end, const Scratch& scratch) {
  const size_t item = bytes_of(kernel.dtype);
  std::byte* c = static_cast<std::byte*>(p.c) + static_cast<size_t>(m * p.c_stride + n) * item;
  if (p.gate == nullptr) return run_tiles(kernel, p, m, m_count, {n, n_end, 0, c, p.c_stride}, scratch);
  const int64_t half = p.weight.shape.n / 2, columns = n_end - n, panels = (columns + kernel.nr - 1) / kernel.nr;
  run_tiles(kernel, p, m, m_count, {n, n_end, 0, scratch.halves, 2 * columns}, scratch);
  run_tiles(kernel, p, m, m_count, {half + n, half + n_end, panels, scratch.halves + static_cast<size_t>(columns) * item, 2 * columns}, scratch);
  finish_gated(*p.gate, {scratch.halves, m_count, columns, c, p.c_stride});
}

}  // namespace

const QGemmGroupedKernel& select_qgemm_grouped(CpuMask mask, DType output) { return select_kernel(kQGemmGroupedKernels, mask, output); }
int qgemm_grouped_row_tile(const QGemmGroupedKernel& kernel) { return kernel.mr; }
int qgemm_grouped_column_tile(const QGemmGroupedKernel& kernel) { return kernel.nr; }
const char* qgemm_grouped_name(const QGemmGroupedKernel& kernel) { return kernel.name; }

size_t qgemm_grouped_scratch_bytes(const QGemmGroupedKernel& kernel, const QuantShape& shape, bool gated, int64_t input_rows) {
  size_t used = 0;
  divide(kernel, shape, gated, input_rows, nullptr, &used);
  return used + kAlign;
}

void run_qgemm_grouped(const QGemmGroupedKernel& kernel, const QGemmGroupedProblem& p, int64_t m_begin, int64_t m_end,
                       int64_t n_begin, int64_t n_end, void* memory) {
  if (m_begin >= m_end) return;
  NIBBLE_DCHECK(n_begin % kernel.nr == 0 && p.weight.shape.kind == WeightKind::Int4);
  const RowRange rows = rows_read(p.conv, m_begin, m_end);
  size_t used = 0;
  const Scratch scratch =
      divide(kernel, p.weight.shape, p.gate != nullptr, rows.end - rows.begin, reinterpret_cast<std::byte*>(aligned(reinterpret_cast<size_t>(memory))), &used);
  if (kernel.wants_sums) make_starts(p, rows, scratch);
  const int64_t block = (p.gate != nullptr ? scratch.block_panels / 2 : scratch.block_panels) * kernel.nr, half = p.weight.shape.n / 2;
  for (int64_t n = n_begin; n < n_end; n += block) {
    const int64_t block_end = std::min(n + block, n_end);
    expand_block(kernel, p.weight, n, block_end, 0, scratch);
    if (p.gate != nullptr)
      expand_block(kernel, p.weight, half + n, half + block_end, (block_end - n + kernel.nr - 1) / kernel.nr, scratch);
    for (int64_t m = m_begin; m < m_end; m += kernel.mr) {
      const int m_count = static_cast<int>(std::min<int64_t>(kernel.mr, m_end - m));
      find_rows(kernel, p, m, m_count, scratch);
      find_scales(kernel, p, rows, scratch);
      run_block(kernel, p, m, m_count, n, block_end, scratch);
    }
  }
}

}  // namespace nibble::kernels
