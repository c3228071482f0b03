#include "kernels/attention/int8_dot_avx512.h"
// After the tiles.
#include "kernels/attention/int8_words.h"

namespace nibble::kernels {

constexpr AttentionKernel attention_int8_f32_avx512vnni =
    Int8Forms<QuadDot>::scores_f32("attention_int8_f32_avx512vnni", Isa::Avx512Vnni);
constexpr AttentionKernel attention_int8_bf16_avx512vnni =
    Int8Forms<QuadDot>::scores_bf16("attention_int8_bf16_avx512vnni", Isa::Avx512Vnni);
constexpr AttentionKernel attention_int8_values_f32_avx512vnni =
    Int8Forms<QuadDot>::all_f32("attention_int8_values_f32_avx512vnni", Isa::Avx512Vnni);
constexpr AttentionKernel attention_int8_values_bf16_avx512vnni =
    Int8Forms<QuadDot>::all_bf16("attention_int8_values_bf16_avx512vnni", Isa::Avx512Vnni);

}  // namespace nibble::kernels
