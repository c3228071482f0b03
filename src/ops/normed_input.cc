#include "ops/normed_input.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/norm/norm.h"
#include "ops/memory.h"

namespace nibble::ops {
namespace {

// SiLU falls to -0.27846 at -1.2785 and rises on both sides, so an interval's extremes bound it except for this depth, which
// is rounded up here past a bf16's rounding.
constexpr float kSiluDepth = 0.28f;

}  // namespace

NormedInput::Places NormedInput::places_of(const Context& context, const GroupNormSettings& norm, const Layout& l) {
  Places p{};
  const auto take = [&p](size_t bytes) {
    const size_t at = p.total;
    p.total += aligned(bytes);
    return at;
  };
  const size_t threads = static_cast<size_t>(context.threads.size()), row = static_cast<size_t>(l.channels) * bytes_of(l.dtype);
  p.partial = take(static_cast<size_t>(kernels::group_norm_blocks(l.pixels) * norm.groups) * sizeof(kernels::NormPartial));
  p.vectors = take(static_cast<size_t>(2 * norm.groups + 2 * l.channels) * sizeof(float));
  p.extremes = take(threads * aligned(2 * row));
  p.blocks = take(threads * aligned(kNormedRows * row));
  return p;
}

size_t NormedInput::scratch_bytes(const Context& context, const GroupNormSettings& norm, const Layout& layout) {
  return places_of(context, norm, layout).total;
}

NormedInput::NormedInput(Context& context, const GroupNormSettings& norm, const Layout& layout, const void* x, const float* gamma,
                         const float* beta, std::byte* scratch)
    : context_(context),
      norm_(norm),
      layout_(layout),
      x_(static_cast<const std::byte*>(x)),
      gamma_(gamma),
      beta_(beta),
      scratch_(scratch),
      at_(places_of(context, norm, layout)),
      row_bytes_(static_cast<size_t>(layout.channels) * bytes_of(layout.dtype)),
      factor_(reinterpret_cast<float*>(scratch + at_.vectors) + 2 * norm.groups),
      shift_(factor_ + layout.channels) {}

const std::byte* NormedInput::row(int64_t r) const { return x_ + static_cast<size_t>(image_ * layout_.pixels + r) * row_bytes_; }
std::byte* NormedInput::extremes(int thread) const { return scratch_ + at_.extremes + static_cast<size_t>(thread) * aligned(2 * row_bytes_); }
void* NormedInput::block(int thread) const { return scratch_ + at_.blocks + static_cast<size_t>(thread) * aligned(kNormedRows * row_bytes_); }

void NormedInput::start(int64_t image) {
  image_ = image;
  const kernels::NormKernel& kernel = kernels::select_norm(context_.cpu, layout_.dtype);
  const kernels::QuantizeKernel& quantize = kernels::select_quantize(context_.cpu, layout_.dtype);
  auto* partial = reinterpret_cast<kernels::NormPartial*>(scratch_ + at_.partial);
  float *mean = reinterpret_cast<float*>(scratch_ + at_.vectors), *rstd = mean + norm_.groups;
  for (int t = 0; t < context_.threads.size(); ++t)
    for (const size_t at : {size_t{0}, row_bytes_}) std::memcpy(extremes(t) + at, row(0), row_bytes_);
  const int64_t blocks = kernels::group_norm_blocks(layout_.pixels), k = layout_.channels;
  context_.threads.run(blocks, 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b * kernels::kGroupNormBlockRows, count = std::min(kernels::kGroupNormBlockRows, layout_.pixels - first);
      kernel.group_partial(row(first), k, count, k, norm_.groups, partial + b * norm_.groups);
      quantize.channel_extremes(row(first), count, k, extremes(thread), extremes(thread) + row_bytes_);
    }
  });
  for (int t = 1; t < context_.threads.size(); ++t)
    quantize.channel_extremes(extremes(t), 2, k, extremes(0), extremes(0) + row_bytes_);
  kernels::finish_group_norm(partial, blocks, norm_.groups, norm_.eps, mean, rstd);
  kernels::fold_group_norm(mean, rstd, gamma_, beta_, k, norm_.groups, factor_, shift_);
}

void NormedInput::rows(int64_t begin, int64_t end, void* out) const {
  const int64_t k = layout_.channels;
  kernels::select_norm(context_.cpu, layout_.dtype).affine(row(begin), k, out, k, end - begin, k, factor_, shift_, norm_.silu);
}

float NormedInput::absmax(const kernels::QuantizeKernel& quantize, const float* input_scale) const {
  const int64_t k = layout_.channels;
  kernels::select_norm(context_.cpu, layout_.dtype).affine(extremes(0), k, block(0), k, 2, k, factor_, shift_, norm_.silu);
  const float most = quantize.absmax(block(0), 2, k, input_scale);
  float largest_scale = 1;
  if (input_scale != nullptr) {
    largest_scale = 0;
    for (int64_t i = 0; i < k; ++i) largest_scale = std::max(largest_scale, std::abs(input_scale[i]));
  }
  return norm_.silu && most < kSiluDepth * largest_scale ? exact_absmax(quantize, input_scale) : most;
}

float NormedInput::exact_absmax(const kernels::QuantizeKernel& quantize, const float* input_scale) const {
  std::vector<float> most(static_cast<size_t>(context_.threads.size()), 0.0f);
  context_.threads.run(layout_.pixels, kNormedRows, [&](int64_t begin, int64_t end, int thread) {
    float& own = most[static_cast<size_t>(thread)];
    for (int64_t r = begin; r < end; r += kNormedRows) {
      const int64_t stop = std::min(r + kNormedRows, end);
      rows(r, stop, block(thread));
      own = std::max(own, quantize.absmax(block(thread), stop - r, layout_.channels, input_scale));
    }
  });
  return *std::max_element(most.begin(), most.end());
}

}  // namespace nibble::ops
