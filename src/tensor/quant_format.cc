#include "tensor/quant_format.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace nibble {
namespace {

struct WeightRow {
  WeightKind kind;
  const char* name;
};
constexpr WeightRow kWeightKinds[] = {{WeightKind::Int8, "int8"}, {WeightKind::Int4, "int4"}};

struct ActivationRow {
  ActivationKind kind;
  const char* name;
};
constexpr ActivationRow kActivationKinds[] = {
    {ActivationKind::Float, "float"}, {ActivationKind::Int8, "int8"}, {ActivationKind::Int4, "int4"}};

// The codes of a tap and channel lie four bytes in every block.
constexpr int64_t kBlockBytes = kPanelChannels * 4;

// Where the code of (channel, tap, k) is: its byte, and for Int4 whether in the high nibble.
struct CodePlace {
  size_t byte;
  bool high;
};

CodePlace place_of(const QuantShape& s, int64_t channel, int64_t tap, int64_t k) {
  const int64_t panel = channel / kPanelChannels, lane = channel % kPanelChannels;
  const int64_t step = s.kind == WeightKind::Int4 ? 8 : 4;
  const int64_t block = (panel * s.taps + tap) * (s.padded_k() / step) + k / step;
  return {static_cast<size_t>((block * kPanelChannels + lane) * 4 + k % 4), k % step >= 4};
}

size_t ratio_place(const QuantShape& s, int64_t channel, int64_t tap, int64_t group) {
  const int64_t panel = channel / kPanelChannels, lane = channel % kPanelChannels;
  return static_cast<size_t>(((panel * s.taps + tap) * s.groups() + group) * kPanelChannels + lane);
}

int code_at(const QuantWeightView& w, int64_t channel, int64_t tap, int64_t k) {
  const CodePlace at = place_of(w.shape, channel, tap, k);
  const uint8_t byte = w.codes[at.byte];
  if (w.shape.kind == WeightKind::Int8) return static_cast<int8_t>(byte);
  return static_cast<int>(at.high ? byte >> 4 : byte & 15) - 8;
}

float executed(int q, int r, float s, Executed form) {
  return form == Executed::Panel ? static_cast<float>(panel_code(q, r)) * s
                                 : static_cast<float>(q * r) * (1.0f / kRatioOne) * s;
}

void check_sizes(const QuantWeight& w) {
  const QuantShape& s = w.shape;
  NIBBLE_CHECK(static_cast<int64_t>(w.codes.size()) == s.n * s.taps * s.k && static_cast<int64_t>(w.scales.size()) == s.n &&
                   static_cast<int64_t>(w.ratios.size()) == s.n * s.taps * s.groups(),
               "quantized weight of {} x {} x {}", s.n, s.taps, s.k);
}

}  // namespace

const char* to_string(WeightKind kind) { return kWeightKinds[static_cast<size_t>(kind)].name; }
const char* to_string(ActivationKind kind) { return kActivationKinds[static_cast<size_t>(kind)].name; }

std::optional<WeightKind> weight_kind_from_name(std::string_view name) {
  for (const WeightRow& row : kWeightKinds)
    if (name == row.name) return row.kind;
  return std::nullopt;
}

std::optional<ActivationKind> activation_kind_from_name(std::string_view name) {
  for (const ActivationRow& row : kActivationKinds)
    if (name == row.name) return row.kind;
  return std::nullopt;
}

float split_group_scales(const float* group_scales, int64_t count, int16_t* ratios) {
  const float largest = *std::max_element(group_scales, group_scales + count);
  const float s = largest * kInt4Max / kInt8Max;
  for (int64_t i = 0; i < count; ++i)
    ratios[i] = s > 0 ? static_cast<int16_t>(std::min<long>(kRatioMax, std::lround(kRatioOne * group_scales[i] / s))) : 0;
  return s > 0 ? s : 0;
}

PackedWeight pack(const QuantWeight& weight) {
  check_sizes(weight);
  const QuantShape& s = weight.shape;
  PackedWeight out{s, {}, {}, {}};
  out.codes.assign(s.code_bytes(), s.kind == WeightKind::Int4 ? 0x88 : 0);
  out.scales.assign(static_cast<size_t>(s.scale_count()), 0.0f);
  out.ratios.assign(static_cast<size_t>(s.ratio_count()), 0);
  std::copy(weight.scales.begin(), weight.scales.end(), out.scales.begin());
  const int8_t* code = weight.codes.data();
  const int16_t* ratio = weight.ratios.data();
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t tap = 0; tap < s.taps; ++tap) {
      uint8_t* to = out.codes.data() + place_of(s, n, tap, 0).byte;
      for (int64_t k = 0; k < s.k; ++k, ++code) {
        if (s.kind == WeightKind::Int8) {
          to[k / 4 * kBlockBytes + k % 4] = static_cast<uint8_t>(*code);
          continue;
        }
        uint8_t& byte = to[k / 8 * kBlockBytes + k % 4];
        byte = static_cast<uint8_t>(k % 8 >= 4 ? (byte & 0x0f) | ((*code + 8) << 4) : (byte & 0xf0) | (*code + 8));
      }
      for (int64_t g = 0; g < s.groups(); ++g) out.ratios[ratio_place(s, n, tap, g)] = *ratio++;
    }
  return out;
}

QuantWeight unpack(const QuantWeightView& packed) {
  const QuantShape& s = packed.shape;
  QuantWeight out{s, {}, {packed.scales, packed.scales + s.n}, {}};
  out.codes.reserve(static_cast<size_t>(s.n * s.taps * s.k));
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t tap = 0; tap < s.taps; ++tap) {
      for (int64_t k = 0; k < s.k; ++k) out.codes.push_back(static_cast<int8_t>(code_at(packed, n, tap, k)));
      for (int64_t g = 0; g < s.groups(); ++g) out.ratios.push_back(packed.ratios[ratio_place(s, n, tap, g)]);
    }
  return out;
}

std::vector<float> executed_weight(const QuantWeight& weight, Executed form) {
  check_sizes(weight);
  const QuantShape& s = weight.shape;
  std::vector<float> out(weight.codes.size());
  for (int64_t n = 0, i = 0; n < s.n; ++n)
    for (int64_t tap = 0; tap < s.taps; ++tap)
      for (int64_t k = 0; k < s.k; ++k, ++i) {
        const int r = s.kind == WeightKind::Int4 ? weight.ratios[static_cast<size_t>((n * s.taps + tap) * s.groups() + k / s.group)]
                                                 : kRatioOne;
        out[static_cast<size_t>(i)] = executed(weight.codes[static_cast<size_t>(i)], r, weight.scales[static_cast<size_t>(n)], form);
      }
  return out;
}

namespace {

// One tap of one channel.
void expand_int8(const uint8_t* codes, int64_t k, float scale, float* out) {
  for (int64_t i = 0; i < k; ++i)
    out[i] = executed(static_cast<int8_t>(codes[i / 4 * kBlockBytes + i % 4]), kRatioOne, scale, Executed::Exact);
}

// A group has one value for each of the sixteen codes.
void expand_int4(const uint8_t* codes, const int16_t* ratios, const QuantShape& s, float scale, Executed form, float* out) {
  for (int64_t begin = 0; begin < s.k; begin += s.group, ratios += kPanelChannels) {
    float values[16];
    for (int q = 0; q < 16; ++q) values[q] = executed(q - 8, *ratios, scale, form);
    const int64_t end = std::min(begin + s.group, s.k);
    int64_t k = begin;
    for (; k + 8 <= end; k += 8)
      for (int64_t j = 0; j < 4; ++j) {
        const uint8_t byte = codes[k / 8 * kBlockBytes + j];
        out[k + j] = values[byte & 15], out[k + 4 + j] = values[byte >> 4];
      }
    for (; k < end; ++k) {
      const uint8_t byte = codes[k / 8 * kBlockBytes + k % 4];
      out[k] = values[k % 8 < 4 ? byte & 15 : byte >> 4];
    }
  }
}

}  // namespace

void expand_panel(const QuantWeightView& packed, int64_t panel, Executed form, float* out) {
  const QuantShape& s = packed.shape;
  const uint8_t* codes = packed.codes + panel * s.panel_bytes();
  const int64_t tap_bytes = s.panel_bytes() / s.taps, tap_ratios = s.groups() * kPanelChannels;
  for (int64_t lane = 0; lane < kPanelChannels; ++lane) {
    const float scale = packed.scales[panel * kPanelChannels + lane];
    for (int64_t tap = 0; tap < s.taps; ++tap, out += s.k) {
      const uint8_t* at = codes + tap * tap_bytes + lane * 4;
      if (s.kind == WeightKind::Int8) expand_int8(at, s.k, scale, out);
      else expand_int4(at, packed.ratios + (panel * s.taps + tap) * tap_ratios + lane, s, scale, form, out);
    }
  }
}

void expand_channel(const QuantWeightView& packed, int64_t channel, Executed form, float* out) {
  const QuantShape& s = packed.shape;
  for (int64_t tap = 0; tap < s.taps; ++tap)
    for (int64_t k = 0; k < s.k; ++k) {
      const int r = s.kind == WeightKind::Int4 ? packed.ratios[ratio_place(s, channel, tap, k / s.group)] : kRatioOne;
      *out++ = executed(code_at(packed, channel, tap, k), r, packed.scales[channel], form);
    }
}

}  // namespace nibble
