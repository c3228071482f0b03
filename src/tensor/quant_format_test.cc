#include "tensor/quant_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"
#include "base/file.h"

namespace nibble {
namespace {

QuantWeight random_weight(const QuantShape& shape, uint32_t seed) {
  std::mt19937 random(seed);
  const int limit = shape.kind == WeightKind::Int4 ? kInt4Max : kInt8Max;
  std::uniform_int_distribution<int> code(-limit, limit), ratio(0, kRatioMax);
  std::uniform_real_distribution<float> scale(0.001f, 0.1f);
  QuantWeight w{shape, {}, {}, {}};
  for (int64_t i = 0; i < shape.n * shape.taps * shape.k; ++i) w.codes.push_back(static_cast<int8_t>(code(random)));
  for (int64_t i = 0; i < shape.n; ++i) w.scales.push_back(scale(random));
  for (int64_t i = 0; i < shape.n * shape.taps * shape.groups(); ++i) w.ratios.push_back(static_cast<int16_t>(ratio(random)));
  return w;
}

TEST(QuantFormat, Packing_is_undone_by_unpacking) {
  for (const WeightKind kind : {WeightKind::Int8, WeightKind::Int4})
    for (const int64_t k : {4, 32, 40, 64, 96, 200})
      for (const int64_t n : {1, 16, 19})
        for (const int64_t group : {32, 64, 128}) {
          const QuantWeight w = random_weight({n, 9, k, kind, group}, 7);
          const PackedWeight packed = pack(w);
          const QuantWeight back = unpack(packed.view());
          EXPECT_EQ(back.codes, w.codes);
          EXPECT_EQ(back.scales, w.scales);
          EXPECT_EQ(back.ratios, w.ratios);
        }
}

TEST(QuantFormat, The_documented_place_of_a_code) {
  QuantWeight w{{17, 1, 64, WeightKind::Int4, 64}, std::vector<int8_t>(17 * 64, 0), std::vector<float>(17, 1.0f),
                std::vector<int16_t>(17, kRatioOne)};
  w.codes[64 * 16 + 8 + 2] = 5;   // channel 16, k 10: panel 1, block 1, lane 0, byte 2, low nibble
  w.codes[64 * 3 + 6] = -7;       // channel 3, k 6: panel 0, block 0, lane 3, byte 2, high nibble
  const PackedWeight packed = pack(w);
  EXPECT_EQ(packed.codes[512 + 64 + 2], 0x8d);
  EXPECT_EQ(packed.codes[3 * 4 + 2], 0x18);
}

std::string hexadecimal(const std::vector<uint8_t>& bytes, size_t begin, size_t count) {
  std::string text;
  for (size_t i = begin; i < begin + count; ++i) text += format("{}{:02x}", i == begin ? "" : " ", bytes[i]);
  return text;
}

TEST(QuantFormat, The_example_of_the_page_is_what_the_code_does) {
  const std::string page = read_file(std::filesystem::path(NIBBLE_SOURCE_DIR) / "docs/format.md");
  const auto shown = [&page](const std::string& line) { return page.find("\n" + line + "\n") != std::string::npos; };
  QuantWeight w{{2, 1, 8, WeightKind::Int4, 64},
                {1, 2, 3, 4, -1, -2, -3, -4, 7, -7, 0, 0, 5, 0, 0, -7},
                {0.01f, 0.01f},
                {1161, kRatioMax}};
  const PackedWeight four = pack(w);
  ASSERT_EQ(four.codes.size(), 256u);
  EXPECT_TRUE(shown(hexadecimal(four.codes, 0, 12))) << hexadecimal(four.codes, 0, 12);
  EXPECT_EQ(std::count(four.codes.begin() + 8, four.codes.end(), 0x88), 248);
  EXPECT_NEAR(executed_weight(w, Executed::Exact)[3], 0.3628125, 1e-7);
  EXPECT_NEAR(executed_weight(w, Executed::Panel)[3], 0.36, 1e-7);
  w.shape.kind = WeightKind::Int8, w.ratios.clear();
  const PackedWeight eight = pack(w);
  ASSERT_EQ(eight.codes.size(), 512u);
  EXPECT_TRUE(shown(hexadecimal(eight.codes, 0, 12))) << hexadecimal(eight.codes, 0, 12);
  EXPECT_TRUE(shown(hexadecimal(eight.codes, 64, 12))) << hexadecimal(eight.codes, 64, 12);
  EXPECT_EQ(std::count(eight.codes.begin() + 128, eight.codes.end(), 0), 384);
}

TEST(QuantFormat, Four_and_a_quarter_bits_in_groups_of_64) {
  const QuantShape s{1280, 1, 1280, WeightKind::Int4, 64};
  EXPECT_EQ(s.code_bytes() * 8 + static_cast<size_t>(s.ratio_count()) * 16, static_cast<size_t>(1280 * 1280 * 4.25));
}

// r is rounded to a whole number of at least 128 · s_g / s, so a group scale is off by at most s / 256.
TEST(QuantFormat, Group_scales_split_into_two_levels) {
  const float wanted[] = {0.5f, 0.01f, 0.25f, 0.0f};
  int16_t ratios[4];
  const float s = split_group_scales(wanted, 4, ratios);
  EXPECT_EQ(ratios[0], kRatioMax);
  EXPECT_EQ(ratios[3], 0);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(ratios[i] * s / kRatioOne, wanted[i], s / 256 * 1.001f + 1e-4f * wanted[i]);
  const float zeros[2] = {0, 0};
  EXPECT_EQ(split_group_scales(zeros, 2, ratios), 0.0f);
}

TEST(QuantFormat, Panel_weights_fit_a_byte_and_are_off_by_half_a_step) {
  for (int q = -kInt4Max; q <= kInt4Max; ++q)
    for (int r = 0; r <= kRatioMax; ++r) {
      const int p = panel_code(q, r);
      ASSERT_LE(std::abs(p), kInt8Max);
      ASSERT_LE(std::abs(p - q * r / 128.0), 0.5);
    }
}

TEST(QuantFormat, A_channel_expands_to_the_executed_weight) {
  for (const Executed form : {Executed::Exact, Executed::Panel}) {
    const QuantWeight w = random_weight({19, 9, 40, WeightKind::Int4, 32}, 11);
    const std::vector<float> whole = executed_weight(w, form);
    const PackedWeight packed = pack(w);
    std::vector<float> channel(9 * 40), panel(16 * 9 * 40);
    expand_panel(packed.view(), 1, form, panel.data());
    for (size_t i = 0; i < 16 * 360; ++i) EXPECT_EQ(panel[i], i < 3 * 360 ? whole[16 * 360 + i] : 0.0f);
    for (int64_t n = 0; n < 19; ++n) {
      expand_channel(packed.view(), n, form, channel.data());
      EXPECT_TRUE(std::equal(channel.begin(), channel.end(), whole.begin() + n * 360));
    }
  }
}

TEST(QuantFormat, Names_round_trip) {
  for (const WeightKind kind : {WeightKind::Int8, WeightKind::Int4}) EXPECT_EQ(weight_kind_from_name(to_string(kind)), kind);
  for (const ActivationKind kind : {ActivationKind::Float, ActivationKind::Int8, ActivationKind::Int4})
    EXPECT_EQ(activation_kind_from_name(to_string(kind)), kind);
  EXPECT_FALSE(weight_kind_from_name("int5"));
}

}  // namespace
}  // namespace nibble
