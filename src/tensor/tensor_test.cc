#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>

namespace nibble {
namespace {

TEST(DTypes, Every_bf16_and_f16_value_survives_a_round_trip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const BFloat16 b{static_cast<uint16_t>(bits)};
    const Float16 h{static_cast<uint16_t>(bits)};
    if (!std::isnan(to_float(b))) {
      EXPECT_EQ(to_bf16(to_float(b)).bits, bits);
    }
    if (!std::isnan(to_float(h))) {
      EXPECT_EQ(to_f16(to_float(h)).bits, bits);
    }
  }
}

TEST(DTypes, Rounding_is_to_nearest_even) {
  EXPECT_EQ(to_bf16(1.0f + 0x1p-8f).bits, to_bf16(1.0f).bits);
  EXPECT_EQ(to_bf16(1.0f + 3 * 0x1p-8f).bits, to_bf16(1.0f + 0x1p-6f).bits);
  EXPECT_EQ(to_float(to_f16(65519.0f)), 65504.0f);
  EXPECT_TRUE(std::isinf(to_float(to_f16(65520.0f))));
  EXPECT_EQ(to_float(to_f16(0x1p-24f)), 0x1p-24f);
  EXPECT_EQ(to_float(to_f16(0x1p-25f)), 0.0f);
  EXPECT_TRUE(std::isnan(to_float(to_bf16(NAN))) && std::isnan(to_float(to_f16(NAN))));
}

TEST(Tensors, Views_share_and_clones_do_not) {
  Tensor a = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor row = a.rows(1, 2), copy = a.clone();
  a.mutable_values<float>()[2] = 30;
  EXPECT_EQ(row.values<float>()[0], 30);
  EXPECT_EQ(copy.values<float>()[2], 3);
  EXPECT_EQ(a.to(DType::BF16).to(DType::F32).values<float>()[2], 30);
}

TEST(Tensors, An_impossible_allocation_is_an_error) { EXPECT_THROW(allocate(size_t{1} << 60), Error); }

}  // namespace
}  // namespace nibble
