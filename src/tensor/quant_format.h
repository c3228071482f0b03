// Quantized weights: what codes and scales mean and how they lie in memory and in files. Quantizers, kernels, file readers
// and tests agree on this page alone.
//
// A weight W[n, tap, k] (output channel, kernel position in row-major order, input channel; a linear layer has one tap):
//   Int8   W = q · s[n]                            q in [-127, 127]
//   Int4   W = q · r[n, tap, g] / 128 · s[n]       q in [-7, 7], g = k / group, r a whole number in [0, 2322]
// Two-level scales: s is float32, r sixteen bits, so int4 in groups of 64 costs 4.25 bits a weight. Kernels that multiply
// bytes run Int4 as the int8 code  p = (q · r + 64) >> 7  (|p| <= 127), W = p · s[n]: the *panel weight*.
//
// Packed codes, in panels of 16 output channels, k padded with zeros to a multiple of 32:
//   Int8   [panels][taps][padded_k / 4][16 channels][4]            one byte a code
//   Int4   [panels][taps][padded_k / 8][16 channels][4]            low nibble: code k8 + j, high nibble: code k8 + 4 + j, each + 8
//   ratios [panels][taps][groups][16] int16;   scales [panels][16] f32;   channels beyond n hold zeros.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tensor/shape.h"

namespace nibble {

enum class WeightKind : uint8_t { Int8, Int4 };

// What multiplies the weights: floats; int8 with one scale a token (linear) or an image (convolution); int4 with one scale
// per token or pixel and 64 channels.
enum class ActivationKind : uint8_t { Float, Int8, Int4 };

const char* to_string(WeightKind kind);          // "int8", "int4"
const char* to_string(ActivationKind kind);      // "float", "int8", "int4"
std::optional<WeightKind> weight_kind_from_name(std::string_view name);
std::optional<ActivationKind> activation_kind_from_name(std::string_view name);

inline constexpr int64_t kPanelChannels = 16, kPaddedK = 32, kActivationGroup = 64;
inline constexpr int kRatioOne = 128;    // r that leaves a code as it is
inline constexpr int kRatioMax = 2322;   // round(128 · 127 / 7)
inline constexpr int kInt4Max = 7, kInt8Max = 127;

// The code a byte kernel multiplies with in place of q · r / 128.
inline int panel_code(int q, int r) { return (q * r + kRatioOne / 2) >> 7; }

struct QuantShape {
  int64_t n = 0, taps = 1, k = 0;
  WeightKind kind = WeightKind::Int8;
  int64_t group = 64;  // Int4: 32, 64 or 128

  // Always inline: kernel files compiled for one processor must not leave copies that others link.
  [[gnu::always_inline]] int64_t panels() const { return (n + kPanelChannels - 1) / kPanelChannels; }
  [[gnu::always_inline]] int64_t padded_k() const { return (k + kPaddedK - 1) / kPaddedK * kPaddedK; }
  [[gnu::always_inline]] int64_t groups() const { return kind == WeightKind::Int4 ? (padded_k() + group - 1) / group : 0; }
  [[gnu::always_inline]] int64_t panel_bytes() const { return taps * padded_k() * kPanelChannels / (kind == WeightKind::Int4 ? 2 : 1); }
  [[gnu::always_inline]] size_t code_bytes() const { return static_cast<size_t>(panels() * panel_bytes()); }
  [[gnu::always_inline]] int64_t ratio_count() const { return panels() * taps * groups() * kPanelChannels; }
  [[gnu::always_inline]] int64_t scale_count() const { return panels() * kPanelChannels; }
  bool operator==(const QuantShape&) const = default;
};

// A packed weight somewhere in memory (a mapped file).
struct QuantWeightView {
  QuantShape shape;
  const uint8_t* codes = nullptr;
  const float* scales = nullptr;
  const int16_t* ratios = nullptr;  // null for Int8
};

// A quantized weight as solvers make it, unpadded: codes [n, taps, k], scales [n], ratios [n, taps, groups].
struct QuantWeight {
  QuantShape shape;
  std::vector<int8_t> codes;
  std::vector<float> scales;
  std::vector<int16_t> ratios;
};

// Splits wanted group scales [taps, groups] of one output channel into s and r. s = max · 7 / 127, 0 for a zero channel.
float split_group_scales(const float* group_scales, int64_t count, int16_t* ratios);

struct PackedWeight {
  QuantShape shape;
  std::vector<uint8_t> codes;
  std::vector<float> scales;
  std::vector<int16_t> ratios;
  QuantWeightView view() const { return {shape, codes.data(), scales.data(), ratios.empty() ? nullptr : ratios.data()}; }
};

PackedWeight pack(const QuantWeight& weight);
QuantWeight unpack(const QuantWeightView& packed);

enum class Executed : uint8_t { Exact, Panel };  // q · r / 128 · s, or the panel weight p · s

// The weight as executed, [n, taps, k] floats. Int8 is the same in both.
std::vector<float> executed_weight(const QuantWeight& weight, Executed form);
// The sixteen channels of one packed panel as executed, [16][taps][k]; channels beyond n become zeros.
void expand_panel(const QuantWeightView& packed, int64_t panel, Executed form, float* out);
// One packed output channel [taps, k] as executed.
void expand_channel(const QuantWeightView& packed, int64_t channel, Executed form, float* out);

}  // namespace nibble
