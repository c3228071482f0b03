#include <algorithm>
#include <map>

#include "base/error.h"
#include "formats/safetensors_writer.h"
#include "quant/quantizer.h"
#include "tasks/quantize/quantize.h"

namespace nibble {
namespace fs = std::filesystem;
namespace {

constexpr float kSiluShift = 0.2734375f;

// [n, k, kh, kw] or [n, k] of any float type -> [n, taps · k].
quant::Matrix weight_matrix(const Tensor& weight, const QuantShape& s) {
  const Tensor f = weight.to(DType::F32);
  const float* from = f.values<float>().data();
  quant::Matrix out(s.n, s.taps * s.k);
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t k = 0; k < s.k; ++k)
      for (int64_t tap = 0; tap < s.taps; ++tap) out.row(n)[tap * s.k + k] = *from++;
  return out;
}

quant::Inputs inputs_of(const LayerReadings& readings, const PlannedLayer& layer) {
  quant::Inputs in;
  if (readings.rows.empty()) return in;
  in.rows = quant::Matrix(readings.rows.dim(0), layer.shape.taps * layer.shape.k);
  const auto rows = readings.rows.values<BFloat16>();
  for (size_t i = 0; i < in.rows.values.size(); ++i) in.rows.values[i] = to_float(rows[i]);
  const auto image = readings.image.values<int32_t>();
  in.image.assign(image.begin(), image.end());
  in.channel_max = quant::Matrix(readings.channel_max.dim(0), layer.shape.k);
  const auto maxima = readings.channel_max.values<float>();
  in.channel_max.values.assign(maxima.begin(), maxima.end());
  in.one_scale_per_image = layer.shape.taps > 1 || layer.path.ends_with("conv_shortcut");
  return in;
}

Tensor u8(const std::vector<uint8_t>& v) {
  Tensor t = Tensor::zeros(DType::U8, {static_cast<int64_t>(v.size())});
  std::copy(v.begin(), v.end(), static_cast<uint8_t*>(t.mutable_data()));
  return t;
}

Tensor i16(const std::vector<int16_t>& v) {
  Tensor t = Tensor::zeros(DType::I16, {static_cast<int64_t>(v.size())});
  std::copy(v.begin(), v.end(), static_cast<int16_t*>(t.mutable_data()));
  return t;
}

// [rank, taps · k] -> bf16 [rank, k, kh, kw]
Tensor down_tensor(const quant::Matrix& down, const PlannedLayer& layer) {
  const QuantShape& s = layer.shape;
  Tensor t = Tensor::zeros(DType::BF16, {down.rows, s.k, layer.kernel_h, layer.kernel_w});
  BFloat16* to = static_cast<BFloat16*>(t.mutable_data());
  for (int64_t r = 0; r < down.rows; ++r)
    for (int64_t k = 0; k < s.k; ++k)
      for (int64_t tap = 0; tap < s.taps; ++tap) *to++ = to_bf16(down.row(r)[tap * s.k + k]);
  return t;
}

// [n, rank] -> bf16 [panels, rank, 16]
Tensor up_tensor(const quant::Matrix& up, const QuantShape& s) {
  Tensor t = Tensor::zeros(DType::BF16, {s.panels(), up.cols, kPanelChannels});
  BFloat16* to = static_cast<BFloat16*>(t.mutable_data());
  for (int64_t n = 0; n < up.rows; ++n)
    for (int64_t r = 0; r < up.cols; ++r)
      to[(n / kPanelChannels * up.cols + r) * kPanelChannels + n % kPanelChannels] = to_bf16(up.row(n)[r]);
  return t;
}

void write_solution(const fs::path& file, const PlannedLayer& layer, const quant::LayerSolution& s, const std::optional<Tensor>& bias) {
  const PackedWeight packed = pack(s.weight);
  std::vector<std::pair<std::string, Tensor>> tensors{
      {"codes", u8(packed.codes)}, {"scales", Tensor::from(packed.scales, {static_cast<int64_t>(packed.scales.size())}).to(DType::BF16)}};
  if (layer.shape.kind == WeightKind::Int4) tensors.emplace_back("ratios", i16(packed.ratios));
  if (!s.input_scale.empty()) tensors.emplace_back("input_scale", Tensor::from(s.input_scale, {layer.shape.k}));
  if (!s.up.empty()) {
    if (layer.shares_down.empty()) tensors.emplace_back("down", down_tensor(s.down, layer));
    tensors.emplace_back("up", up_tensor(s.up, layer.shape));
  }
  if (bias || !s.bias_change.empty()) {
    std::vector<float> sum(static_cast<size_t>(layer.shape.n), 0.0f);
    const Tensor old = bias ? bias->to(DType::F32) : Tensor();
    for (size_t i = 0; i < sum.size(); ++i)
      sum[i] = (bias ? old.values<float>()[i] : 0.0f) + (s.bias_change.empty() ? 0.0f : s.bias_change[i]);
    tensors.emplace_back("bias", Tensor::from(sum, {layer.shape.n}));
  }
  const QuantRecord record{layer.shape.kind, layer.activation, layer.shape.group, s.up.cols, s.shift, !s.input_scale.empty(), s.error};
  Json json = models::to_json(record);
  if (!s.up.empty() && !layer.shares_down.empty()) json[models::kDownOfKey] = layer.shares_down;
  write_safetensors(file, tensors, {{"record", json.dump()}});
}

}  // namespace

fs::path solved_file(const fs::path& work, size_t index, const PlannedLayer& layer) {
  return work / "solved" / fmt::format("{:05}{}.safetensors", index, layer.variant);
}

void solve_layers(Context& context, const models::ModelSource& source, const std::vector<PlannedLayer>& layers,
                  const QuantizeRequest& request, const fs::path& work, const std::string& stage) {
  fs::create_directories(work / "solved");
  const quant::Method& method = quant::method_from_name(request.method);
  const Readings readings(work);
  std::map<std::string, models::NamedTensors> parts;
  for (const PlannedLayer& layer : layers)
    if (!parts.contains(layer.part)) parts.emplace(layer.part, source.tensors(layer.part));
  size_t started = 0;
  for (const std::vector<size_t>& group : solved_together(layers)) {
    context.check_cancelled();
    context.report(stage, static_cast<int64_t>(started), static_cast<int64_t>(layers.size()));
    started += group.size();
    // One of a group alone would come out otherwise than with the others.
    if (std::all_of(group.begin(), group.end(), [&](size_t i) { return fs::exists(solved_file(work, i, layers[i])); }))
      continue;
    const PlannedLayer& first = layers[group[0]];
    const quant::Inputs inputs = inputs_of(readings.of(first), first);
    const models::NamedTensors& tensors = parts.at(first.part);
    std::vector<quant::LayerProblem> problems;
    for (const size_t i : group) {
      const PlannedLayer& layer = layers[i];
      const bool shifted = layer.after_silu && layer.activation == ActivationKind::Int4;
      problems.push_back({layer.name(), layer.shape, layer.activation, shifted ? kSiluShift : 0.0f, layer.rank,
                          weight_matrix(*tensors.find(layer.path + ".weight"), layer.shape), &inputs, tensors.has(layer.path + ".bias")});
    }
    const auto solutions = quant::solve(context, method, problems, request.seed);
    for (size_t g = 0; g < group.size(); ++g) {
      const PlannedLayer& layer = layers[group[g]];
      write_solution(solved_file(work, group[g], layer), layer, solutions[g], tensors.find(layer.path + ".bias"));
    }
    tensors.drop_pages();
  }
  context.report(stage, 1, 1);
}

}  // namespace nibble
