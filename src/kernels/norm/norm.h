// Normalisations over channels-last data: group norm [rows = pixels, channels], layer norm and RMS norm over rows.
//
// Group norm runs in phases so that it splits over threads (and over tiles of an image) with bit-identical results:
//   1. group_partial for each block of at most kGroupNormBlockRows rows  -> NormPartial[blocks][groups]
//   2. finish_group_norm reduces the blocks in index order               -> mean[groups], rstd[groups]
//   3. fold_group_norm joins them with gamma and beta                    -> scale[channels], shift[channels]
//   4. affine on any row range: y = x * scale[c] + shift[c], optionally SiLU
#pragma once

#include <cstdint>

#include "base/cpu.h"
#include "tensor/dtype.h"

namespace nibble::kernels {

inline constexpr int64_t kGroupNormBlockRows = 64;

inline int64_t group_norm_blocks(int64_t rows) { return (rows + kGroupNormBlockRows - 1) / kGroupNormBlockRows; }

// Moments of one set of elements; sets merge exactly in the order given (Chan, Golub, LeVeque 1983).
struct NormPartial {
  double count;
  double mean;
  double m2;  // sum of squared distances from the mean
};

struct NormKernel {
  const char* name;  // "norm_bf16_avx2"
  Isa isa;
  DType dtype;  // of x and y: F32 or BF16; parameters and statistics are float

  // Moments of each group of channels over `rows` rows (at most kGroupNormBlockRows): partial[groups].
  // Strides are elements between rows. channels is a multiple of groups.
  void (*group_partial)(const void* x, int64_t x_stride, int64_t rows, int64_t channels, int64_t groups,
                        NormPartial* partial);

  // y[r, c] = f(x[r, c] * scale[c] + shift[c]), f = SiLU or identity. y may be x.
  void (*affine)(const void* x, int64_t x_stride, void* y, int64_t y_stride, int64_t rows, int64_t channels,
                 const float* scale, const float* shift, bool silu);

  // y[r] = (x[r] - mean) / sqrt(var + epsilon) * gamma + beta; gamma, beta [columns] or null. y may be x.
  // mean and rstd of each row are stored when the pointers are not null.
  void (*layer_norm)(const void* x, int64_t x_stride, void* y, int64_t y_stride, int64_t rows, int64_t columns,
                     const float* gamma, const float* beta, float epsilon, float* mean, float* rstd);

  // y[r] = x[r] / sqrt(mean(x[r]^2) + epsilon) * gamma; gamma [columns] or null. y may be x. rstd as above.
  void (*rms_norm)(const void* x, int64_t x_stride, void* y, int64_t y_stride, int64_t rows, int64_t columns,
                   const float* gamma, float epsilon, float* rstd);
};

// Best kernel of the mask for F32 or BF16; never null.
const NormKernel& select_norm(CpuMask mask, DType dtype);

// partial[blocks][groups] -> mean[groups], rstd[groups] = 1 / sqrt(var + epsilon), biased variance as in torch.
void finish_group_norm(const NormPartial* partial, int64_t blocks, int64_t groups, float epsilon, float* mean,
                       float* rstd);

// scale[c] = gamma[c] * rstd[g], shift[c] = beta[c] - mean[g] * scale[c]; gamma, beta [channels] or null (1 and 0).
void fold_group_norm(const float* mean, const float* rstd, const float* gamma, const float* beta, int64_t channels,
                     int64_t groups, float* scale, float* shift);

}  // namespace nibble::kernels
