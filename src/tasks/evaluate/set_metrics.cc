#include "tasks/evaluate/set_metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "image/codec.h"
#include "image/convert.h"
#include "image/resize.h"
#include "metrics/frechet.h"
#include "metrics/inception_features.h"
#include "metrics/inception_score.h"
#include "metrics/kid.h"
#include "metrics/published_weights.h"
#include "pipelines/stages.h"

namespace nibble {
namespace {

using Paths = std::vector<std::filesystem::path>;

constexpr size_t kBatch = 16;

Tensor inception(Context& context, const Paths& pictures, const char* pipeline, InceptionTap tap = InceptionTap::Pool2048) {
  InceptionFeatures features(context, require_weights("inception-fid"));
  Tensor all = Tensor::zeros(DType::F32, {static_cast<int64_t>(pictures.size()), width_of(tap)});
  for (size_t first = 0; first < pictures.size(); first += kBatch) {
    context.check_cancelled();
    std::vector<Image> some;
    for (size_t i = first; i < std::min(first + kBatch, pictures.size()); ++i) some.push_back(read_rgb(pictures[i]));
    const Tensor values = features(some, find_fid_pipeline(pipeline), tap);
    std::copy_n(values.values<float>().data(), values.count(), all.mutable_values<float>().data() + static_cast<int64_t>(first) * width_of(tap));
  }
  return all;
}

FeatureGaussian gaussian(Context& context, const Tensor& features) {
  StatisticsBuilder builder(context, features.dim(1));
  builder.add(features.values<float>());
  return gaussian_of(builder.finish());
}

double distance(Context& context, const Tensor& a, const Tensor& b) { return frechet_distance(context, gaussian(context, a), gaussian(context, b)).value; }

double fid(Context& context, const Paths& pictures, const Paths& reference, const char* pipeline) {
  return distance(context, inception(context, pictures, pipeline), inception(context, reference, pipeline));
}
double fid_pytorch(Context& c, const Paths& p, const Paths& r) { return fid(c, p, r, "pytorch-fid"); }
double fid_clean(Context& c, const Paths& p, const Paths& r) { return fid(c, p, r, "clean-fid"); }
double fid_fidelity(Context& c, const Paths& p, const Paths& r) { return fid(c, p, r, "torch-fidelity"); }

double kid(Context& context, const Paths& pictures, const Paths& reference) {
  KidOptions options;
  options.size = std::min<int64_t>(options.size, static_cast<int64_t>(std::min(pictures.size(), reference.size())));
  return kernel_inception_distance(context, inception(context, pictures, "torch-fidelity"), inception(context, reference, "torch-fidelity"), options).mean;
}

double inception_score_of(Context& context, const Paths& pictures, const Paths&) {
  InceptionScoreOptions options;
  options.splits = std::min<int64_t>(options.splits, static_cast<int64_t>(pictures.size()));
  return inception_score(inception(context, pictures, "torch-fidelity", InceptionTap::LogitsUnbiased), options).mean;
}

// Latents of the built-in model's encoder, averaged over a grid of 4 x 4.
Tensor vae_features(Context& context, const LoadedModel& model, const Paths& pictures) {
  constexpr int64_t kGrid = 4;
  const int64_t side = model.defaults.width, channels = model.vae.latent_channels, cells = side / model.vae.factor, cell = cells / kGrid;
  Tensor all = Tensor::zeros(DType::F32, {static_cast<int64_t>(pictures.size()), channels * kGrid * kGrid});
  float* to = all.mutable_values<float>().data();
  const auto no_noise = [](std::span<float> out) { std::fill(out.begin(), out.end(), 0.0f); };
  for (const std::filesystem::path& file : pictures) {
    context.check_cancelled();
    Image picture = read_rgb(file);
    if (picture.width != side || picture.height != side) picture = resize(picture, side, side, ResizeFilter::Bicubic);
    const std::vector<float> latent = encode_picture(context, model, image_to_tensor(picture), {}, no_noise);
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t gy = 0; gy < kGrid; ++gy)
        for (int64_t gx = 0; gx < kGrid; ++gx) {
          double sum = 0;
          for (int64_t y = gy * cell; y < (gy + 1) * cell; ++y)
            for (int64_t x = gx * cell; x < (gx + 1) * cell; ++x) sum += latent[static_cast<size_t>((c * cells + y) * cells + x)];
          *to++ = static_cast<float>(sum / static_cast<double>(cell * cell));
        }
  }
  return all;
}

double fd_vae(Context& context, const Paths& pictures, const Paths& reference) {
  const LoadedModel model = load_model("emoji");
  return distance(context, vae_features(context, model, pictures), vae_features(context, model, reference));
}

void require_inception() { require_weights("inception-fid"); }

}  // namespace

const std::vector<SetMetric>& set_metrics() {
  static const std::vector<SetMetric> rows = {
      {"fid", "Fréchet Inception distance, pytorch-fid's pipeline", true, fid_pytorch, require_inception},
      {"fid-clean", "the same in clean-fid's pipeline", true, fid_clean, require_inception},
      {"fid-torch-fidelity", "the same in torch-fidelity's pipeline", true, fid_fidelity, require_inception},
      {"kid", "kernel Inception distance, torch-fidelity's pipeline and subsets", true, kid, require_inception},
      {"is", "Inception Score, torch-fidelity's pipeline", false, inception_score_of, require_inception},
      {"fd-vae", "a proxy without other networks: Fréchet distance of the built-in model's own latents on a grid of 4x4", true, fd_vae, nullptr},
  };
  return rows;
}

const SetMetric* find_set_metric(std::string_view name) {
  const auto found = std::find_if(set_metrics().begin(), set_metrics().end(), [name](const SetMetric& m) { return name == m.name; });
  return found == set_metrics().end() ? nullptr : &*found;
}

}  // namespace nibble
