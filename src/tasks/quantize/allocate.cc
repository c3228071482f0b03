#include "tasks/quantize/allocate.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "quant/quantizer.h"
#include "tasks/convert.h"
#include "tasks/quantize/quantize.h"

namespace nibble {
namespace {

constexpr size_t kHeaderOfTensor = 240, kHeaderOfLayer = 240;  // name, type, shape, place and padding; the layer's record
constexpr int64_t kRankStep = 8;

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

PlannedLayer raised(PlannedLayer layer) {
  layer.shape.kind = WeightKind::Int8;
  layer.rank = 0;
  layer.raised = true;
  layer.shares_down.clear();
  if (layer.activation == ActivationKind::Int4) layer.activation = ActivationKind::Int8;
  return layer;
}

double solved_error(const std::filesystem::path& work, size_t index, const PlannedLayer& layer) {
  const WeightFile file = open_weights(solved_file(work, index, layer));
  return parse_json(file.metadata().at("record"), file.path().string()).at("error");
}

}  // namespace

size_t predicted_bytes(const models::ModelSource& source, const std::vector<PlannedLayer>& layers, const std::string& method) {
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

std::vector<PlannedLayer> plan_within_budget(const models::ModelSource& source, const QuantizeRequest& request) {
  std::vector<PlannedLayer> layers = plan_layers(source, request);
  if (request.target_bytes == 0) return layers;
  QuantizeRequest smaller = request;
  size_t least = predicted_bytes(source, layers, request.method);
  while (least > request.target_bytes && smaller.rank > 0) {
    smaller.rank = std::max<int64_t>(0, smaller.rank - kRankStep);
    layers = plan_layers(source, smaller);
    least = predicted_bytes(source, layers, request.method);
  }
  if (least > request.target_bytes)
    fail(ErrorCode::InvalidArgument,
         "target size {:.1f} MB: {} without low-rank branches takes {:.1f} MB; allow more, or fewer bits: --group 128, --vae w4a8, "
         "--text-encoder w4a16",
         static_cast<double>(request.target_bytes) / 1e6, request.precision, static_cast<double>(least) / 1e6);
  return layers;
}

void raise_layers(const models::ModelSource& source, const QuantizeRequest& request, const std::filesystem::path& work,
                  std::vector<PlannedLayer>& layers) {
  const quant::Method& method = quant::method_from_name(request.method);
  struct Candidate {
    std::vector<size_t> layers;  // those that share a branch rise together
    size_t extra;
    double worth;  // error taken away for each byte
  };
  std::vector<Candidate> candidates;
  for (const std::vector<size_t>& group : solved_together(layers)) {
    if (layers[group[0]].shape.kind != WeightKind::Int4) continue;
    size_t now = 0, then = 0;
    double error = 0;
    for (const size_t i : group) {
      now += layer_bytes(layers[i], method), then += layer_bytes(raised(layers[i]), method);
      error += solved_error(work, i, layers[i]);
    }
    const size_t extra = then > now ? then - now : 0;
    candidates.push_back({group, extra, error / static_cast<double>(std::max<size_t>(extra, 1))});
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.worth > b.worth; });
  size_t left = request.target_bytes - predicted_bytes(source, layers, request.method);
  for (const Candidate& c : candidates) {
    if (c.extra > left) continue;
    left -= c.extra;
    for (const size_t i : c.layers) layers[i] = raised(layers[i]);
  }
}

}  // namespace nibble
