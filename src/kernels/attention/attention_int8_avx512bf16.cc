// Scores from bytes, weights and values in bf16.
#include "kernels/attention/int8_dot_avx512.h"
// After the tiles.
#include "kernels/attention/int8_words.h"
// After the words.
#include "kernels/attention/pair_words_avx512.h"

namespace nibble::kernels {

constexpr AttentionKernel attention_int8_bf16_avx512bf16 =
    Int8Attention<BFloat16, QuadDot, PairWords>::kernel("attention_int8_bf16_avx512bf16", DType::BF16, Isa::Avx512Bf16);

}  // namespace nibble::kernels
