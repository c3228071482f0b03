#include "tasks/quantize/allocate.h"

#include <algorithm>
#include <limits>
#include <set>

#include "base/error.h"
#include "quant/budget.h"
#include "quant/quantizer.h"
#include "tasks/convert.h"
#include "tasks/quantize/quantize.h"

namespace nibble {
namespace {

constexpr size_t kHeaderOfTensor = 240,
                 kHeaderOfLayer = 240;  // name, type, shape, place and padding; the layer's record
constexpr int64_t kMostRank = 256;
constexpr double kUnmeasured = std::numeric_limits<double>::infinity();

size_t layer_bytes(const PlannedLayer& layer, const quant::Method& method) {
  const QuantShape& s = layer.shape;
  const int64_t rank = method.low_rank ? layer.rank : 0;
  const bool smoothed = method.smoothing;
  size_t bytes = s.code_bytes() + static_cast<size_t>(s.scale_count()) * sizeof(float) + kHeaderOfLayer;
  const bool owns_down = rank > 0 && layer.shares_down.empty();
  const size_t tensors = 3 + (s.kind == WeightKind::Int4 ? 1 : 0) + (smoothed ? 1 : 0) + (rank > 0 ? 1 : 0) +
                         (owns_down ? 1 : 0);  // a bias among them
  bytes += tensors * kHeaderOfTensor;
  if (s.kind == WeightKind::Int4) bytes += static_cast<size_t>(s.ratio_count()) * sizeof(int16_t);
  if (smoothed) bytes += static_cast<size_t>(s.k) * sizeof(float);
  return bytes +
         static_cast<size_t>(rank * ((owns_down ? s.taps * s.k : 0) + s.panels() * kPanelChannels)) * sizeof(BFloat16);
}

// One way to store an int4 layer: with a branch of this rank, or in int8.
struct Way {
  std::string name;
  int64_t rank;
  bool int8;
};

std::vector<Way> ways_of(const QuantizeRequest& request) {
  std::vector<int64_t> ranks{0};
  if (quant::method_from_name(request.method).low_rank)
    ranks = {0, request.rank / 2, request.rank, std::min(2 * request.rank, kMostRank)};
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  std::vector<Way> ways;
  for (const int64_t rank : ranks) ways.push_back({fmt::format("rank {}", rank), rank, false});
  ways.push_back({"int8", 0, true});
  return ways;
}

using Layers = std::vector<PlannedLayer>;
using Group = std::vector<size_t>;

std::vector<Group> int4_groups(const Layers& layers) {
  std::vector<Group> groups = solved_together(layers);
  std::erase_if(groups, [&](const Group& group) { return layers[group[0]].shape.kind != WeightKind::Int4; });
  return groups;
}

void set_way(Layers& layers, const Group& group, const Way& way) {
  int64_t rank = way.rank;
  for (const size_t i : group) rank = std::min(rank, layers[i].max_rank);
  for (const size_t i : group) {
    PlannedLayer& layer = layers[i];
    layer.rank = rank;
    layer.shares_down = rank > 0 && i != group[0] ? layers[group[0]].name() : std::string();
    layer.variant = way.int8 ? "-int8" : fmt::format("-rank{}", rank);
    if (!way.int8) continue;
    layer.shape.kind = WeightKind::Int8;
    if (layer.activation == ActivationKind::Int4) layer.activation = ActivationKind::Int8;
  }
}

Layers all_in(Layers layers, const std::vector<Group>& groups, const Way& way) {
  for (const Group& group : groups) set_way(layers, group, way);
  return layers;
}

size_t group_bytes(const Layers& layers, const Group& group, const quant::Method& method) {
  size_t bytes = 0;
  for (const size_t i : group) bytes += layer_bytes(layers[i], method);
  return bytes;
}

double solved_error(const std::filesystem::path& work, const Layers& layers, const Group& group) {
  double error = 0;
  for (const size_t i : group) {
    const WeightFile file = open_weights(solved_file(work, i, layers[i]));
    error += parse_json(file.metadata().at("record"), file.path().string()).at("error").get<double>();
  }
  return error;
}

}  // namespace

size_t predicted_bytes(const models::ModelSource& source, const std::vector<PlannedLayer>& layers,
                       const std::string& method) {
  std::set<std::string> quantized;
  size_t bytes = 0;
  for (const auto& [key, text] : one_file_metadata(source)) bytes += key.size() + Json(text).dump().size();
  for (const PlannedLayer& layer : layers) {
    bytes += layer_bytes(layer, quant::method_from_name(method));
    quantized.insert(layer.name() + ".weight");
  }
  for (const models::ModelPart& part : source.parts) {
    if (part.weights.empty()) continue;
    for (const TensorInfo& info : source.tensors(part.name).tensors())
      if (!quantized.contains(part.name + "." + info.name))
        bytes += static_cast<size_t>(info.shape.count()) * bytes_of(kept_type(info)) + kHeaderOfTensor;
  }
  return bytes;
}

void check_budget(const models::ModelSource& source, const QuantizeRequest& request, const Layers& layers) {
  const size_t least =
      predicted_bytes(source, all_in(layers, int4_groups(layers), ways_of(request).front()), request.method);
  if (least > request.target_bytes)
    fail(ErrorCode::InvalidArgument,
         "target size {:.1f} MB: {} without low-rank branches takes {:.1f} MB; allow more, or fewer bits: --group 128, "
         "--vae w4a8, "
         "--text-encoder w4a16",
         static_cast<double>(request.target_bytes) / 1e6, request.precision, static_cast<double>(least) / 1e6);
}

void spend_budget(Context& context, const models::ModelSource& source, const QuantizeRequest& request,
                  const std::filesystem::path& work, Layers& layers) {
  const quant::Method& method = quant::method_from_name(request.method);
  const std::vector<Way> ways = ways_of(request);
  const std::vector<Group> groups = int4_groups(layers);
  const Layers least = all_in(layers, groups, ways.front());
  const size_t spare = request.target_bytes - predicted_bytes(source, least, request.method);
  size_t budget = spare;
  for (const Group& group : groups) budget += group_bytes(least, group, method);
  std::vector<std::vector<quant::StorageOption>> options(groups.size());
  for (const Way& way : ways) {
    // What cannot fit stays as in the first way, which is solved.
    Layers asked = least;
    for (size_t g = 0; g < groups.size(); ++g) {
      set_way(asked, groups[g], way);
      const size_t bytes = group_bytes(asked, groups[g], method);
      const bool fits = bytes <= group_bytes(least, groups[g], method) + spare;
      options[g].push_back({bytes, fits ? 0 : kUnmeasured});
      for (const size_t i : groups[g])
        if (!fits) asked[i] = least[i];
    }
    solve_layers(context, source, asked, request, work, way.name);
    for (size_t g = 0; g < groups.size(); ++g)
      if (options[g].back().error == 0) options[g].back().error = solved_error(work, asked, groups[g]);
  }
  const std::vector<size_t> chosen = quant::choose_within(options, budget);
  for (size_t g = 0; g < groups.size(); ++g) set_way(layers, groups[g], ways[chosen[g]]);
}

}  // namespace nibble
