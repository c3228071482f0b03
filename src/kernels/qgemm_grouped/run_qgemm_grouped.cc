// Loop order as in run_qgemm.
#include <algorithm>

#include "base/check.h"
#include "kernels/gemm/tap_rows.h"
#include "kernels/qgemm/gated.h"
#include "kernels/qgemm_grouped/table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {
namespace {

constexpr size_t kPanelBlockBytes = 256 * 1024;
constexpr size_t kAlign = 64;

size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

int64_t step_of(const QuantShape& s) { return std::min(s.group, kActivationGroup); }
int64_t steps_of(const QuantShape& s) { return (s.padded_k() + step_of(s) - 1) / step_of(s); }

struct Scratch {
  size_t panel_bytes, ratio_count;
  int64_t block_panels;
  std::byte* panels;
  float* ratios;       // [block_panels][taps][groups][nr]
  const void** rows;   // [taps][mr]
  float* scales;       // [taps][steps][mr]
  int32_t* starts;     // [taps][steps][mr]
  std::byte* halves;   // [mr][values | gates] of a block's columns
};

Scratch divide(const QGemmGroupedKernel& kernel, const QuantShape& s, bool gated, std::byte* memory, size_t* used) {
  size_t at = 0;
  const auto take = [&](size_t bytes) {
    std::byte* piece = memory == nullptr ? nullptr : memory + at;
    at += aligned(bytes);
    return piece;
  };
  Scratch out{};
  out.panel_bytes = aligned(kernel.panel_bytes(s.taps, s.padded_k()));
  out.ratio_count = static_cast<size_t>(s.taps * s.groups() * kernel.nr);
  out.block_panels = static_cast<int64_t>(std::max<size_t>(gated ? 2 : 1, kPanelBlockBytes / out.panel_bytes));
  out.panels = take(out.panel_bytes * static_cast<size_t>(out.block_panels));
  out.ratios = reinterpret_cast<float*>(take(out.ratio_count * sizeof(float) * static_cast<size_t>(out.block_panels)));
  out.rows = reinterpret_cast<const void**>(take(static_cast<size_t>(s.taps * kernel.mr) * sizeof(void*)));
  const size_t step_count = static_cast<size_t>(s.taps * steps_of(s) * kernel.mr);
  out.scales = reinterpret_cast<float*>(take(step_count * sizeof(float)));
  out.starts = reinterpret_cast<int32_t*>(take(step_count * sizeof(int32_t)));
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

// Scales and starts of a tile's rows, in the order in which its steps read them.
void gather(const QGemmGroupedKernel& kernel, const QGemmGroupedProblem& p, const Scratch& scratch) {
  const QuantShape& s = p.weight.shape;
  const int64_t step = step_of(s), steps = steps_of(s), mr = kernel.mr, blocks = s.padded_k() / 32;
  const int64_t groups = (s.padded_k() + kActivationGroup - 1) / kActivationGroup;
  const double rows_per_byte = 1.0 / static_cast<double>(p.a_stride);  // products are whole numbers: no division
  for (int64_t i = 0; i < s.taps * mr; ++i) {
    const int8_t* row = static_cast<const int8_t*>(scratch.rows[i]);
    const bool is_pad = row == p.pad_codes;
    const int64_t at = is_pad ? 0 : static_cast<int64_t>(static_cast<double>(row - p.a) * rows_per_byte + 0.5);
    const float* from = is_pad ? p.pad_scales : p.a_scales + at * groups;
    float* scale = scratch.scales + i / mr * steps * mr + i % mr;
    for (int64_t j = 0; j < steps; ++j) scale[j * mr] = from[j * step / kActivationGroup];
    if (!kernel.wants_sums) continue;
    const int32_t* sums = is_pad ? p.pad_sums : p.sums + at * blocks;
    int32_t* start = scratch.starts + i / mr * steps * mr + i % mr;
    for (int64_t j = 0; j < steps; ++j) {
      const int64_t first = j * step / 32;
      start[j * mr] = -8 * (sums[first] + (step == 64 && first + 1 < blocks ? sums[first + 1] : 0));
    }
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
  args.steps_per_ratio = p.weight.shape.group / args.step;
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

size_t qgemm_grouped_scratch_bytes(const QGemmGroupedKernel& kernel, const QuantShape& shape, bool gated) {
  size_t used = 0;
  divide(kernel, shape, gated, nullptr, &used);
  return used + kAlign;
}

void run_qgemm_grouped(const QGemmGroupedKernel& kernel, const QGemmGroupedProblem& p, int64_t m_begin, int64_t m_end,
                       int64_t n_begin, int64_t n_end, void* memory) {
  if (m_begin >= m_end) return;
  NIBBLE_DCHECK(n_begin % kernel.nr == 0 && p.weight.shape.kind == WeightKind::Int4);
  size_t used = 0;
  const Scratch scratch =
      divide(kernel, p.weight.shape, p.gate != nullptr, reinterpret_cast<std::byte*>(aligned(reinterpret_cast<size_t>(memory))), &used);
  const int64_t block = (p.gate != nullptr ? scratch.block_panels / 2 : scratch.block_panels) * kernel.nr, half = p.weight.shape.n / 2;
  for (int64_t n = n_begin; n < n_end; n += block) {
    const int64_t block_end = std::min(n + block, n_end);
    expand_block(kernel, p.weight, n, block_end, 0, scratch);
    if (p.gate != nullptr)
      expand_block(kernel, p.weight, half + n, half + block_end, (block_end - n + kernel.nr - 1) / kernel.nr, scratch);
    for (int64_t m = m_begin; m < m_end; m += kernel.mr) {
      const int m_count = static_cast<int>(std::min<int64_t>(kernel.mr, m_end - m));
      find_rows(kernel, p, m, m_count, scratch);
      gather(kernel, p, scratch);
      run_block(kernel, p, m, m_count, n, block_end, scratch);
    }
  }
}

}  // namespace nibble::kernels
