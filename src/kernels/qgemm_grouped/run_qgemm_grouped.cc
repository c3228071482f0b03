// Loop order as in run_qgemm.
#include <algorithm>

#include "base/check.h"
#include "kernels/gemm/tap_rows.h"
#include "kernels/qgemm_grouped/table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {
namespace {

constexpr size_t kPanelBlockBytes = 256 * 1024;
constexpr size_t kAlign = 64;

size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

struct Scratch {
  size_t panel_bytes, ratio_count;
  int64_t block_panels;
  std::byte* panels;
  float* ratios;               // [block_panels][taps][groups][16]
  const void** rows;           // [taps][mr]
  const float** row_scales;    // [taps][mr]
};

Scratch divide(const QGemmGroupedKernel& kernel, const QuantShape& s, std::byte* memory, size_t* used) {
  size_t at = 0;
  const auto take = [&](size_t bytes) {
    std::byte* piece = memory == nullptr ? nullptr : memory + at;
    at += aligned(bytes);
    return piece;
  };
  Scratch out{};
  out.panel_bytes = aligned(kernel.panel_bytes(s.taps, s.padded_k()));
  out.ratio_count = static_cast<size_t>(s.taps * s.groups() * kPanelChannels);
  out.block_panels = static_cast<int64_t>(std::max<size_t>(1, kPanelBlockBytes / out.panel_bytes));
  out.panels = take(out.panel_bytes * static_cast<size_t>(out.block_panels));
  out.ratios = reinterpret_cast<float*>(take(out.ratio_count * sizeof(float) * static_cast<size_t>(out.block_panels)));
  out.rows = reinterpret_cast<const void**>(take(static_cast<size_t>(s.taps * kernel.mr) * sizeof(void*)));
  out.row_scales = reinterpret_cast<const float**>(take(static_cast<size_t>(s.taps * kernel.mr) * sizeof(float*)));
  *used = at;
  return out;
}

void find_rows(const QGemmGroupedKernel& kernel, const QGemmGroupedProblem& p, int64_t m, int m_count, const Scratch& scratch) {
  const std::byte* a = reinterpret_cast<const std::byte*>(p.a);
  const int mr = kernel.mr;
  const int64_t taps = p.weight.shape.taps, groups = (p.weight.shape.padded_k() + kActivationGroup - 1) / kActivationGroup;
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
  for (int64_t i = 0; i < taps * mr; ++i) {
    const std::byte* row = static_cast<const std::byte*>(scratch.rows[i]);
    const bool is_pad = row == reinterpret_cast<const std::byte*>(p.pad_codes);
    scratch.row_scales[i] = is_pad ? p.pad_scales : p.a_scales + (row - a) / p.a_stride * groups;
  }
}

void expand_block(const QGemmGroupedKernel& kernel, const QuantWeightView& w, int64_t n, int64_t n_end, const Scratch& scratch) {
  std::byte* panel = scratch.panels;
  float* ratios = scratch.ratios;
  for (; n < n_end; n += kernel.nr, panel += scratch.panel_bytes, ratios += scratch.ratio_count) {
    kernel.expand(w, n / kPanelChannels, panel);
    const int16_t* from = w.ratios + static_cast<size_t>(n / kPanelChannels) * scratch.ratio_count;
    for (size_t i = 0; i < scratch.ratio_count; ++i) ratios[i] = static_cast<float>(from[i]) * (1.0f / kRatioOne);
  }
}

void run_tiles(const QGemmGroupedKernel& kernel, const QGemmGroupedProblem& p, int64_t m, int m_count, int64_t n, int64_t n_end,
               const Scratch& scratch) {
  const size_t item = bytes_of(kernel.dtype);
  QGroupedTileArgs args{};
  args.rows = scratch.rows;
  args.row_scales = scratch.row_scales;
  args.taps = p.weight.shape.taps;
  args.padded_k = p.weight.shape.padded_k();
  args.group = p.weight.shape.group;
  args.m_count = m_count;
  args.c_stride = p.c_stride;
  args.residual_stride = p.residual_stride;
  args.rank = p.rank;
  args.h = p.rank == 0 ? nullptr : p.h + m * p.rank;
  const std::byte* panel = scratch.panels;
  args.ratios = scratch.ratios;
  for (; n < n_end; n += kernel.nr, panel += scratch.panel_bytes, args.ratios += scratch.ratio_count) {
    args.panel = panel;
    args.n_count = static_cast<int>(std::min<int64_t>(kernel.nr, n_end - n));
    args.w_scales = p.weight.scales + n;
    args.bias = p.bias == nullptr ? nullptr : p.bias + n;
    args.up = p.rank == 0 ? nullptr : p.up + n * p.rank;
    args.c = static_cast<std::byte*>(p.c) + static_cast<size_t>(m * p.c_stride + n) * item;
    if (p.residual != nullptr)
      args.residual = static_cast<const std::byte*>(p.residual) + static_cast<size_t>(m * p.residual_stride + n) * item;
    kernel.tile(args);
  }
}

}  // namespace

const QGemmGroupedKernel& select_qgemm_grouped(CpuMask mask, DType output) { return select_kernel(kQGemmGroupedKernels, mask, output); }
int qgemm_grouped_row_tile(const QGemmGroupedKernel& kernel) { return kernel.mr; }
int qgemm_grouped_column_tile(const QGemmGroupedKernel& kernel) { return kernel.nr; }
const char* qgemm_grouped_name(const QGemmGroupedKernel& kernel) { return kernel.name; }

size_t qgemm_grouped_scratch_bytes(const QGemmGroupedKernel& kernel, const QuantShape& shape, int64_t) {
  size_t used = 0;
  divide(kernel, shape, nullptr, &used);
  return used + kAlign;
}

void run_qgemm_grouped(const QGemmGroupedKernel& kernel, const QGemmGroupedProblem& p, int64_t m_begin, int64_t m_end,
                       int64_t n_begin, int64_t n_end, void* memory) {
  if (m_begin >= m_end) return;
  NIBBLE_DCHECK(n_begin % kernel.nr == 0 && p.weight.shape.kind == WeightKind::Int4);
  size_t used = 0;
  const Scratch scratch =
      divide(kernel, p.weight.shape, reinterpret_cast<std::byte*>(aligned(reinterpret_cast<size_t>(memory))), &used);
  const int64_t block = scratch.block_panels * kernel.nr;
  for (int64_t n = n_begin; n < n_end; n += block) {
    const int64_t block_end = std::min(n + block, n_end);
    expand_block(kernel, p.weight, n, block_end, scratch);
    for (int64_t m = m_begin; m < m_end; m += kernel.mr) {
      const int m_count = static_cast<int>(std::min<int64_t>(kernel.mr, m_end - m));
      find_rows(kernel, p, m, m_count, scratch);
      run_tiles(kernel, p, m, m_count, n, block_end, scratch);
    }
  }
}

}  // namespace nibble::kernels
