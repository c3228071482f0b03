// Every kernel against the scalar oracle, bit for bit, and the oracle against what the formulas promise.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "kernels/quantize/table.h"
#include "kernels/test_cpu.h"

namespace nibble::kernels {
namespace {

struct Input {
  int64_t rows, k, padded_k;
  std::vector<float> f32;
  std::vector<BFloat16> bf16;
  std::vector<float> input_scale;

  Input(int64_t r, int64_t width, uint32_t seed) : rows(r), k(width), padded_k((width + 31) / 32 * 32) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < rows * k; ++i) f32.push_back(normal(random));
    for (int64_t i = 0; i < k && rows > 2; ++i) f32[static_cast<size_t>(2 * k + i)] = 0.0f;  // a row of zeros
    if (rows > 3) f32[static_cast<size_t>(3 * k)] = std::numeric_limits<float>::quiet_NaN();
    for (float& v : f32) {
      bf16.push_back(to_bf16(v));
      v = to_float(bf16.back());
    }
    for (int64_t i = 0; i < k; ++i) input_scale.push_back(std::exp(normal(random)));
  }
  const void* data(DType dtype) const { return dtype == DType::F32 ? static_cast<const void*>(f32.data()) : bf16.data(); }
};

struct Int8Result {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  std::vector<int32_t> sums;
  bool operator==(const Int8Result&) const = default;
};

Int8Result int8_rows(const QuantizeKernel& kernel, const Input& in, const float* input_scale) {
  Int8Result out{std::vector<int8_t>(static_cast<size_t>(in.rows * in.padded_k), 99), std::vector<float>(static_cast<size_t>(in.rows)),
                 std::vector<int32_t>(static_cast<size_t>(in.rows))};
  kernel.int8_rows(in.data(kernel.dtype), in.rows, in.k, in.padded_k, input_scale, out.codes.data(), out.scales.data(), out.sums.data());
  return out;
}

Int8Result int8_scaled(const QuantizeKernel& kernel, const Input& in, const float* input_scale) {
  Int8Result out{std::vector<int8_t>(static_cast<size_t>(in.rows * in.padded_k), 99), {},
                 std::vector<int32_t>(static_cast<size_t>(in.rows))};
  const float most = kernel.absmax(in.data(kernel.dtype), in.rows, in.k, input_scale);
  out.scales.push_back(most / 127.0f);
  kernel.int8_scaled(in.data(kernel.dtype), in.rows, in.k, in.padded_k, input_scale, out.scales[0], out.codes.data(), out.sums.data());
  return out;
}

Int8Result int4_groups(const QuantizeKernel& kernel, const Input& in, const float* input_scale, float shift) {
  Int8Result out{std::vector<int8_t>(static_cast<size_t>(in.rows * in.padded_k), 99),
                 std::vector<float>(static_cast<size_t>(in.rows * ((in.padded_k + 63) / 64))),
                 std::vector<int32_t>(static_cast<size_t>(in.rows * in.padded_k / 32), 99)};
  kernel.int4_groups(in.data(kernel.dtype), in.rows, in.k, in.padded_k, input_scale, shift, out.codes.data(), out.scales.data(), out.sums.data());
  return out;
}

constexpr int64_t kWidths[] = {1, 4, 31, 32, 64, 96, 100, 320};

TEST(Quantize, Every_kernel_gives_the_bits_of_the_scalar_one) {
  for (const QuantizeKernel* kernel : kQuantizeKernels) {
    if (!tested_cpu().has(kernel->isa)) continue;
    const QuantizeKernel& oracle = kernel->dtype == DType::F32 ? quantize_f32_scalar : quantize_bf16_scalar;
    for (const int64_t k : kWidths) {
      const Input in(7, k, 5);
      for (const float* scale : {static_cast<const float*>(nullptr), in.input_scale.data()}) {
        EXPECT_EQ(int8_rows(*kernel, in, scale), int8_rows(oracle, in, scale)) << kernel->name << " k " << k;
        EXPECT_EQ(int8_scaled(*kernel, in, scale), int8_scaled(oracle, in, scale)) << kernel->name << " k " << k;
        for (const float shift : {0.0f, 0.2734375f})
          EXPECT_EQ(int4_groups(*kernel, in, scale, shift), int4_groups(oracle, in, scale, shift)) << kernel->name << " k " << k;
      }
    }
  }
}

TEST(Quantize, Channel_extremes_are_those_of_the_scalar_kernel) {
  for (const QuantizeKernel* kernel : kQuantizeKernels) {
    if (!tested_cpu().has(kernel->isa)) continue;
    const QuantizeKernel& oracle = kernel->dtype == DType::F32 ? quantize_f32_scalar : quantize_bf16_scalar;
    const size_t bytes = bytes_of(kernel->dtype);
    for (const int64_t k : kWidths) {
      const Input in(7, k, 21);
      const auto extremes = [&](const QuantizeKernel& by) {
        std::vector<std::byte> out(2 * static_cast<size_t>(k) * bytes);
        std::memcpy(out.data(), in.data(by.dtype), out.size() / 2);
        std::memcpy(out.data() + out.size() / 2, in.data(by.dtype), out.size() / 2);
        by.channel_extremes(in.data(by.dtype), in.rows, k, out.data(), out.data() + out.size() / 2);
        return out;
      };
      EXPECT_EQ(extremes(*kernel), extremes(oracle)) << kernel->name << " k " << k;
      if (kernel->dtype != DType::F32) continue;
      float low[320], high[320];
      std::memcpy(low, extremes(*kernel).data(), static_cast<size_t>(k) * 4);
      std::memcpy(high, extremes(*kernel).data() + static_cast<size_t>(k) * 4, static_cast<size_t>(k) * 4);
      for (int64_t r = 0; r < 7; ++r)
        for (int64_t i = 0; i < k; ++i) {
          const float v = in.f32[static_cast<size_t>(r * k + i)];
          EXPECT_FALSE(v < low[i] || v > high[i]) << kernel->name << " row " << r << " channel " << i;
        }
    }
  }
}

TEST(Quantize, Codes_times_scale_are_within_half_a_step) {
  const Input in(2, 320, 9);
  const Int8Result q = int8_rows(quantize_f32_scalar, in, nullptr);
  for (int64_t r = 0; r < 2; ++r) {
    int32_t sum = 0;
    for (int64_t i = 0; i < 320; ++i) {
      const size_t at = static_cast<size_t>(r * 320 + i);
      const float scale = q.scales[static_cast<size_t>(r)];
      EXPECT_NEAR(static_cast<float>(q.codes[at]) * scale, in.f32[at], scale * 0.5001f);
      sum += q.codes[at];
    }
    EXPECT_EQ(sum, q.sums[static_cast<size_t>(r)]);
  }
}

TEST(Quantize, Int4_codes_times_scale_are_within_half_a_step_and_use_the_ends) {
  const Input in(2, 320, 9);
  const Int8Result q = int4_groups(quantize_f32_scalar, in, nullptr, 0);
  for (size_t i = 0; i < 640; ++i) {
    const float scale = q.scales[i / 64];
    EXPECT_LE(std::abs(q.codes[i]), 7);
    EXPECT_NEAR(static_cast<float>(q.codes[i]) * scale, in.f32[i], scale * 0.5001f);
  }
  for (size_t g = 0; g < 10; ++g) {
    int most = 0, sums[2] = {};
    for (size_t i = 0; i < 64; ++i) most = std::max(most, std::abs(q.codes[g * 64 + i])), sums[i / 32] += q.codes[g * 64 + i];
    EXPECT_EQ(most, 7);
    EXPECT_EQ(sums[0], q.sums[2 * g]);
    EXPECT_EQ(sums[1], q.sums[2 * g + 1]);
  }
}

// Shifts of the published method: at least the depth of GELU, of SiLU within 0.005.
TEST(Quantize, Shifts_lift_gelu_above_zero_and_silu_almost) {
  float gelu = 0, silu = 0;
  for (int i = 0; i < 4000; ++i) {
    const float x = -4 + 0.001f * static_cast<float>(i);
    gelu = std::min(gelu, 0.5f * x * std::erfc(-x * 0.70710678f));
    silu = std::min(silu, x / (1 + std::exp(-x)));
  }
  EXPECT_NEAR(gelu, -0.16997f, 1e-5f);
  EXPECT_GT(gelu + 0.171875f, 0);
  EXPECT_NEAR(silu + 0.2734375f, -0.00503f, 1e-5f);
}

TEST(Quantize, A_shifted_group_uses_all_sixteen_codes_and_clips_what_is_below) {
  std::vector<float> x(64);
  for (int i = 0; i < 64; ++i) x[static_cast<size_t>(i)] = -0.27846f + 0.05f * static_cast<float>(i);
  std::vector<int8_t> codes(64);
  float scale = 0;
  int32_t sums[2];
  quantize_f32_scalar.int4_groups(x.data(), 1, 64, 64, nullptr, 0.2734375f, codes.data(), &scale, sums);
  EXPECT_EQ(codes[0], 0);  // SiLU's minimum lies 0.005 below the shift
  EXPECT_EQ(codes[63], 15);
  for (int i = 1; i < 64; ++i)
    EXPECT_NEAR(static_cast<float>(codes[static_cast<size_t>(i)]) * scale - 0.2734375f, x[static_cast<size_t>(i)], scale * 0.5001f);
}

}  // namespace
}  // namespace nibble::kernels
