// Exact attention without a score matrix in memory (online softmax over blocks of keys: Milakov & Gimelshein 2018,
// Dao et al. 2022):
//   out[i, h] = sum_j p_ij v[j, h],  p_i = softmax_j(scale * <q[i, h], k[j, h]> + bias[h, i, j])
// All matrices are token-major: token t of head h is d elements at t * stride + h * d, so a fused [q | k | v] row and
// batches need only pointer offsets. Arithmetic is float32 (the avx512bf16 kernel multiplies in bf16, sums in float32).
// In the forms with bytes (form.h) a token's code is round(x / s), s = max|x| / 127 over its head, and the mean of the
// keys over all tokens is taken off before: it adds the same to every score of a row, which a softmax does not see.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/cpu.h"
#include "kernels/attention/form.h"
#include "tensor/dtype.h"

namespace nibble::kernels {

inline constexpr int64_t kMaxHeadDim = 512;

struct AttentionArgs {
  const void* q;                                     // [lq, heads * d]
  const void* k;                                     // [lk, kv_heads * d]
  const void* v;                                     // [lk, kv_heads * d]
  void* out;                                         // [lq, heads * d]; must not overlap the inputs
  int64_t q_stride, k_stride, v_stride, out_stride;  // elements between tokens
  int64_t lq, lk;                                    // tokens, at least 1
  int64_t d;                                         // elements of a head, at most kMaxHeadDim
  float scale;                                       // usually 1 / sqrt(d)
  const float* bias = nullptr;  // element (h, i, j) at h * bias_head_stride + i * bias_row_stride + j
  int64_t bias_head_stride = 0, bias_row_stride = 0;  // 0 shares it between heads or rows
  bool causal = false;                                // query i sees keys j <= i + lk - lq
  int64_t heads_per_kv = 1;                           // query heads that share one key/value head (grouped queries)
};

struct AttentionKernel {
  const char* name;  // "attention_f32_avx2"
  Isa isa;
  DType dtype;  // of q, k, v, out: F32 or BF16
  AttentionForm form;

  // Rows that one pass over the keys serves. run() is most efficient on ranges of a multiple of this, and the longer
  // the better: keys and values are packed once per call. With enough heads, give each task a whole head.
  int64_t (*row_block)(int64_t d);

  // Scratch of one thread, 64-byte aligned.
  size_t (*scratch_bytes)(int64_t lk, int64_t d);

  // Query rows [row_begin, row_end) of one head on the calling thread. Any split of heads and rows gives bit-identical
  // results. A row whose keys are all masked (bias -inf, causal) becomes zeros.
  void (*run)(const AttentionArgs& args, int64_t head, int64_t row_begin, int64_t row_end, void* scratch);

  // Forms with bytes only: the scores of those rows before bias and softmax, in log2 units dots[i, j] · row_factors[i]
  // · key_scales[j]; dots [rows, lk]. All three are bit-equal on every instruction set.
  void (*int8_scores)(const AttentionArgs& args, int64_t head, int64_t row_begin, int64_t row_end, int32_t* dots,
                      float* row_factors, float* key_scales, void* scratch) = nullptr;
};

// Best kernel of the mask for F32 or BF16; never null.
const AttentionKernel& select_attention(CpuMask mask, DType dtype, AttentionForm form = AttentionForm::Float);

}  // namespace nibble::kernels
