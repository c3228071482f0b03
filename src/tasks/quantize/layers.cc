#include "tasks/quantize/layers.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "base/error.h"

namespace nibble {
namespace {

constexpr Precision kPrecisions[] = {{"w8a8", WeightKind::Int8, ActivationKind::Int8},
                                     {"w8a16", WeightKind::Int8, ActivationKind::Float},
                                     {"w4a16", WeightKind::Int4, ActivationKind::Float},
                                     {"w4a8", WeightKind::Int4, ActivationKind::Int8},
                                     {"w4a4", WeightKind::Int4, ActivationKind::Int4}};
constexpr const char* kKeep = "keep";

bool matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

// How a layer takes part in the precision that was asked for its model part.
enum class Role : uint8_t {
  Keep,        // in the checkpoint's own type
  Main,        // as asked
  EightBit,    // int8 weights, as they are few and close to the picture; activations as asked, at most int8
  WeightOnly,  // weights as asked, 16-bit activations: computed once per prompt
  EightBitWeightOnly,  // one row per step: only the bytes count
};

struct RoleRow {
  const char* pattern;
  Role role;
};

// The first match decides. Text keys and values are made once per prompt, so their activations cost nothing in 16 bits.
constexpr RoleRow kRoles[] = {
    {"unet.conv_in", Role::Keep},
    {"unet.conv_out", Role::Keep},
    {"unet.time_embedding.*", Role::Keep},
    {"unet.add_embedding.*", Role::Keep},
    {"unet.*.time_emb_proj", Role::EightBitWeightOnly},
    {"unet.*.attn2.to_[kv]", Role::WeightOnly},
    {"unet.*.conv_shortcut", Role::EightBit},
    {"unet.*.proj_in", Role::EightBit},
    {"unet.*.proj_out", Role::EightBit},
    {"unet.*", Role::Main},
    {"vae.decoder.conv_in", Role::Keep},
    {"vae.decoder.conv_out", Role::Keep},
    {"vae.decoder.layers.*", Role::Keep},
    {"vae.decoder.*", Role::Main},
    {"vae.*", Role::Keep},
    {"text_encoder*embedding*", Role::Keep},
    {"text_encoder*text_projection", Role::Keep},
    {"text_encoder*", Role::Main},
};

Role role_of(const std::string& name) {
  for (const RoleRow& row : kRoles)
    if (matches(row.pattern, name)) return row.role;
  return Role::Keep;
}

const std::string& asked_precision(const std::string& part, const QuantizeRequest& request) {
  if (part == "unet") return request.precision;
  return part == "vae" ? request.vae : request.text_encoder;
}

// Layers that read the same values: queries, keys and values of one attention.
std::string input_group_of(const std::string& path) {
  struct Row {
    const char *pattern, *name;
  };
  constexpr Row kRows[] = {{"*.attn1.to_[qkv]", "attn1"}, {"*.attn2.to_[kv]", "attn2"}, {"*.self_attn.[qkv]_proj", "self_attn"},
                           {"*.attentions.0.to_[qkv]", "attentions.0"}};
  for (const Row& row : kRows)
    if (matches(row.pattern, path)) return path.substr(0, path.rfind('.')) + ".qkv";
  return {};
}

struct Choice {
  WeightKind weights;
  ActivationKind activations;
};

std::optional<Choice> choose(const std::string& part, const std::string& name, const QuantizeRequest& request) {
  for (auto rule = request.rules.rbegin(); rule != request.rules.rend(); ++rule) {
    if (!matches(rule->pattern, name)) continue;
    if (rule->precision == kKeep) return std::nullopt;
    const Precision& p = precision_from_name(rule->precision);
    return Choice{p.weights, p.activations};
  }
  const std::string& asked = asked_precision(part, request);
  if (asked == kKeep) return std::nullopt;
  const Precision& p = precision_from_name(asked);
  switch (role_of(name)) {
    case Role::Keep: return std::nullopt;
    case Role::Main: return Choice{p.weights, p.activations};
    case Role::EightBit:
      return Choice{WeightKind::Int8, p.activations == ActivationKind::Int4 ? ActivationKind::Int8 : p.activations};
    case Role::WeightOnly: return Choice{p.weights, ActivationKind::Float};
    case Role::EightBitWeightOnly: return Choice{WeightKind::Int8, ActivationKind::Float};
  }
  return std::nullopt;
}

constexpr std::string_view kWeight = ".weight";

void plan_part(const models::ModelSource& source, const std::string& part, const QuantizeRequest& request,
               std::vector<PlannedLayer>& out) {
  for (const TensorInfo& info : source.tensors(part).tensors()) {
    const bool is_layer = info.name.ends_with(kWeight) && (info.shape.rank() == 2 || info.shape.rank() == 4);
    if (!is_layer) continue;
    PlannedLayer layer;
    layer.part = part;
    layer.path = info.name.substr(0, info.name.size() - kWeight.size());
    const std::optional<Choice> choice = choose(part, layer.name(), request);
    if (!choice) continue;
    if (info.shape.rank() == 4) layer.kernel_h = info.shape[2], layer.kernel_w = info.shape[3];
    layer.shape = {info.shape[0], layer.kernel_h * layer.kernel_w, info.shape[1], choice->weights, request.group};
    layer.activation = choice->activations;
    // Beyond an eighth of the smaller side a branch costs more bytes than it saves error.
    const bool branch = part == "unet" && choice->weights == WeightKind::Int4 && role_of(layer.name()) != Role::WeightOnly;
    layer.max_rank = branch ? std::min(info.shape[0], info.shape[1]) / 8 / 8 * 8 : 0;
    layer.rank = std::min(request.rank, layer.max_rank);
    layer.after_silu = matches("*resnets.*.conv[12]", layer.path);
    layer.reads_text = role_of(layer.name()) == Role::WeightOnly;
    layer.input_group = input_group_of(layer.path);
    out.push_back(std::move(layer));
  }
}

// In the order of each group's first layer.
void number_groups(std::vector<PlannedLayer>& layers) {
  std::map<std::tuple<std::string, std::string, WeightKind, ActivationKind, int64_t>, size_t> known;
  size_t groups = 0;
  for (PlannedLayer& l : layers) {
    l.solved_with = groups;
    if (!l.input_group.empty())
      l.solved_with =
          known.try_emplace({l.part, l.input_group, l.shape.kind, l.activation, l.rank}, groups).first->second;
    if (l.solved_with == groups) ++groups;
  }
}

void check_rules(const models::ModelSource& source, const QuantizeRequest& request) {
  for (const PrecisionRule& rule : request.rules) {
    if (rule.precision != kKeep) precision_from_name(rule.precision);
    bool used = false;
    for (const models::ModelPart& part : source.parts) {
      if (part.weights.empty()) continue;
      for (const TensorInfo& info : source.tensors(part.name).tensors())
        used = used || (info.name.ends_with(kWeight) &&
                        matches(rule.pattern, part.name + "." + info.name.substr(0, info.name.size() - kWeight.size())));
    }
    if (!used)
      fail(ErrorCode::InvalidArgument, "rule '{}': matches no layer of {}; 'nibble inspect --tensors' lists the names", rule.pattern,
           source.path.string());
  }
}

}  // namespace

const Precision& precision_from_name(const std::string& name) {
  for (const Precision& p : kPrecisions)
    if (name == p.name) return p;
  std::string known;
  for (const Precision& p : kPrecisions) known += std::string(known.empty() ? "" : ", ") + p.name;
  fail(ErrorCode::InvalidArgument, "precision '{}': want one of {}", name, known);
}

std::vector<std::string> precision_names() {
  std::vector<std::string> names;
  for (const Precision& p : kPrecisions) names.emplace_back(p.name);
  return names;
}

std::vector<PlannedLayer> plan_layers(const models::ModelSource& source, const QuantizeRequest& request) {
  check_rules(source, request);
  std::vector<PlannedLayer> layers;
  for (const models::ModelPart& part : source.parts)
    if (!part.weights.empty()) plan_part(source, part.name, request, layers);
  number_groups(layers);
  for (const std::vector<size_t>& group : solved_together(layers))
    for (size_t i = 1; i < group.size() && layers[group[0]].rank > 0; ++i)
      layers[group[i]].shares_down = layers[group[0]].name();
  return layers;
}

std::vector<std::vector<size_t>> solved_together(const std::vector<PlannedLayer>& layers) {
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].solved_with == groups.size()) groups.emplace_back();
    groups[layers[i].solved_with].push_back(i);
  }
  return groups;
}

}  // namespace nibble
