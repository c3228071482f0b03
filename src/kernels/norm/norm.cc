#include <cmath>

#include "kernels/norm/moments.h"
#include "kernels/norm/table.h"
#include "kernels/simd/select.h"

namespace nibble::kernels {

const NormKernel& select_norm(CpuMask mask, DType dtype) { return select_kernel(kNormKernels, mask, dtype); }

void finish_group_norm(const NormPartial* partial, int64_t blocks, int64_t groups, float epsilon, float* mean,
                       float* rstd) {
  for (int64_t g = 0; g < groups; ++g) {
    NormPartial sum{0.0, 0.0, 0.0};
    for (int64_t b = 0; b < blocks; ++b) sum = merge(sum, partial[b * groups + g]);
    mean[g] = static_cast<float>(sum.mean);
    rstd[g] = static_cast<float>(1.0 / std::sqrt(sum.m2 / sum.count + epsilon));
  }
}

void fold_group_norm(const float* mean, const float* rstd, const float* gamma, const float* beta, int64_t channels,
                     int64_t groups, float* scale, float* shift) {
  const int64_t width = channels / groups;
  for (int64_t c = 0; c < channels; ++c) {
    const int64_t g = c / width;
    const double factor = static_cast<double>(rstd[g]) * (gamma ? gamma[c] : 1.0);
    scale[c] = static_cast<float>(factor);
    shift[c] = static_cast<float>((beta ? beta[c] : 0.0) - mean[g] * factor);
  }
}

}  // namespace nibble::kernels
