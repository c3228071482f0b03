#include "kernels/attention/tiles_avx512.h"
// After the tiles.
#include "kernels/attention/attention_impl.h"
// After the words.
#include "kernels/attention/pair_words_avx512.h"

namespace nibble::kernels {

constexpr AttentionKernel attention_bf16_avx512bf16 =
    Attention<BFloat16, PairWords>::kernel("attention_bf16_avx512bf16", DType::BF16, Isa::Avx512Bf16);

}  // namespace nibble::kernels
