// The group norm, with or without SiLU, in front of a quantized layer: rows are normalized a few at a time and quantized while they are
// in the cache, so that the norm's result is never written, or only where a low-rank branch reads it.
#pragma once

#include "kernels/quantize/quantize.h"
#include "ops/norm.h"

namespace nibble::ops {

inline constexpr int64_t kNormedRows = 24;  // made at once: whole tiles of the products that read them, in the L2 cache

class NormedInput {
 public:
  struct Layout {
    int64_t images, pixels, channels;
    DType dtype;
  };
  static size_t scratch_bytes(const Context& context, const GroupNormSettings& norm, const Layout& layout);

  NormedInput(Context& context, const GroupNormSettings& norm, const Layout& layout, const void* x, const float* gamma, const float* beta,
              std::byte* scratch);

  // The statistics of an image; all that follows is of this image.
  void start(int64_t image);
  // max |x' · input_scale| over the normalized image: from the extremes of its channels, which start() gathered. Equal to the maximum
  // over all elements as far as the computed norm and SiLU keep the order of their arguments.
  float absmax(const kernels::QuantizeKernel& quantize, const float* input_scale) const;
  // Normalized rows [begin, end) to `out`; any thread.
  void rows(int64_t begin, int64_t end, void* out) const;
  // Room for kNormedRows of a thread.
  void* block(int thread) const;

 private:
  struct Places {
    size_t partial, vectors, extremes, blocks, total;
  };
  static Places places_of(const Context& context, const GroupNormSettings& norm, const Layout& layout);
  const std::byte* row(int64_t r) const;
  std::byte* extremes(int thread) const;  // two rows: lowest, highest
  float exact_absmax(const kernels::QuantizeKernel& quantize, const float* input_scale) const;

  Context& context_;
  GroupNormSettings norm_;
  Layout layout_;
  const std::byte* x_;
  const float *gamma_, *beta_;
  std::byte* scratch_;
  Places at_;
  size_t row_bytes_;
  int64_t image_ = 0;
  float *factor_, *shift_;
};

}  // namespace nibble::ops
