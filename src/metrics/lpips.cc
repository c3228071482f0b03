#include "metrics/lpips.h"

#include <cmath>

#include "base/error.h"
#include "formats/weight_file.h"

namespace nibble {
namespace {

struct NetRow {
  LpipsNet net;
  const char* name;
  models::Backbone backbone;
};
constexpr NetRow kNets[] = {{LpipsNet::Alex, "alex", models::Backbone::Alex},
                            {LpipsNet::Vgg, "vgg", models::Backbone::Vgg16},
                            {LpipsNet::Squeeze, "squeeze", models::Backbone::Squeeze}};

const NetRow& row_of(LpipsNet net) {
  for (const NetRow& row : kNets)
    if (row.net == net) return row;
  NIBBLE_CHECK(false, "lpips net");
}

std::shared_ptr<const WeightSource> source_of(const std::filesystem::path& path) {
  const WeightFile file = open_weights(path);
  return std::make_shared<WeightSource>(
      WeightSource{"file " + path.string(), [file](const std::string& name, const Shape&) { return file.find(name); }});
}

std::vector<std::vector<double>> bind_heads(const Scope& scope, models::Backbone backbone) {
  std::vector<std::vector<double>> heads;
  for (const int64_t channels : models::tap_channels(backbone)) {
    const Scope s = scope / ("lin" + std::to_string(heads.size())) / "model" / 1;
    const Tensor weight = s.matrix("weight", {1, channels, 1, 1}).tensor.to(DType::F32);
    heads.emplace_back(weight.values<float>().begin(), weight.values<float>().end());
  }
  return heads;
}

// [0, 255] -> [-1, 1] -> (x - shift) / scale, the lpips package's input layer.
void put_picture(const Image& image, std::span<float> to) {
  constexpr double kShift[] = {-0.030, -0.088, -0.188}, kScale[] = {0.458, 0.448, 0.450};
  const Image rgb = to_rgb(image);
  for (size_t i = 0; i < rgb.pixels.size(); ++i)
    to[i] = static_cast<float>((rgb.pixels[i] / 127.5 - 1 - kShift[i % 3]) / kScale[i % 3]);
}

double length_of(const float* f, size_t channels, LpipsEpsilon epsilon) {
  double sum = 0;
  for (size_t c = 0; c < channels; ++c) sum += static_cast<double>(f[c]) * static_cast<double>(f[c]);
  return epsilon == LpipsEpsilon::Original ? std::sqrt(sum) + 1e-10 : std::sqrt(1e-8 + sum);
}

}  // namespace

const char* to_string(LpipsNet net) { return row_of(net).name; }

LpipsNet lpips_net_from_name(std::string_view name) {
  for (const NetRow& row : kNets)
    if (name == row.name) return row.net;
  fail(ErrorCode::InvalidArgument, "lpips network \"{}\": want alex, vgg or squeeze", name);
}

double lpips_tap(Context& context, const TensorRef& features, std::span<const double> head, LpipsEpsilon epsilon) {
  const Shape& s = features.type.shape;
  NIBBLE_CHECK(features.type.dtype == DType::F32 && s.rank() == 4 && s[0] == 2 && s[3] == static_cast<int64_t>(head.size()),
               "lpips features {} for {} channels", to_string(s), head.size());
  const size_t channels = head.size();
  std::vector<double> rows(static_cast<size_t>(s[1]));
  context.threads.run(s[1], 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t at = begin * s[2]; at < end * s[2]; ++at) {
      const float *a = features.as<float>() + static_cast<size_t>(at) * channels, *b = a + s.count(1, 4);
      const double scale_a = 1 / length_of(a, channels, epsilon), scale_b = 1 / length_of(b, channels, epsilon);
      double sum = 0;
      for (size_t c = 0; c < channels; ++c) {
        const double difference = static_cast<double>(a[c]) * scale_a - static_cast<double>(b[c]) * scale_b;
        sum += head[c] * difference * difference;
      }
      rows[static_cast<size_t>(at / s[2])] += sum;
    }
  });
  double total = 0;
  for (const double row : rows) total += row;
  return total / static_cast<double>(s[1] * s[2]);
}

Lpips::Lpips(Context& context, LpipsNet net, const std::filesystem::path& backbone, const std::filesystem::path& heads,
             LpipsEpsilon epsilon)
    : Lpips(context, net, source_of(backbone), source_of(heads), epsilon) {}

Lpips::Lpips(Context& context, LpipsNet net, std::shared_ptr<const WeightSource> backbone, std::shared_ptr<const WeightSource> heads,
             LpipsEpsilon epsilon)
    : context_(context),
      epsilon_(epsilon),
      net_(Scope(std::move(backbone), nullptr), row_of(net).backbone),
      heads_(bind_heads(Scope(std::move(heads), nullptr), row_of(net).backbone)) {}

// Features are used while they are in the arena, so that no two taps need to be in memory at once.
void Lpips::record(int64_t height, int64_t width) {
  recorded_.reset();
  auto made = std::make_unique<Recorded>();
  Recorded& r = *made;
  const Value picture = r.graph.input("pictures", {DType::F32, {2, height, width, 3}}, Rate::Prompt);
  const std::vector<Value> taps = net_(picture);
  for (size_t i = 0; i < taps.size(); ++i) r.tap_of[r.graph.node(taps[i].id()).name] = i;
  PlanOptions options;
  options.observe = [&r](const Node& node) { return r.tap_of.contains(node.name); };
  r.plan = std::make_unique<Plan>(context_, r.graph, std::vector<Value>{taps.back()}, options);
  r.taps.resize(taps.size());
  r.plan->observer = [this, &r](const std::string& name, const TensorRef& features) {
    const size_t tap = r.tap_of.at(name);
    r.taps[tap] = lpips_tap(context_, features, heads_[tap], epsilon_);
  };
  recorded_ = std::move(made);
  height_ = height, width_ = width;
}

LpipsDistance Lpips::operator()(const Image& reference, const Image& image) {
  if (reference.width != image.width || reference.height != image.height)
    fail(ErrorCode::InvalidArgument, "lpips: want pictures of one size found {}x{} and {}x{}; resize one first", reference.width,
         reference.height, image.width, image.height);
  if (!recorded_ || image.height != height_ || image.width != width_) record(image.height, image.width);
  Tensor pictures = Tensor::zeros(DType::F32, {2, image.height, image.width, 3});
  const std::span<float> pixels = pictures.mutable_values<float>();
  put_picture(reference, pixels.first(pixels.size() / 2));
  put_picture(image, pixels.subspan(pixels.size() / 2));
  recorded_->plan->bind("pictures", pictures);
  recorded_->plan->run();
  LpipsDistance distance{0, recorded_->taps};
  for (const double tap : distance.taps) distance.total += tap;
  return distance;
}

}  // namespace nibble
