#include "tasks/evaluate/set_metrics.h"

#include <algorithm>
#include <cmath>

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

template <const char* kPipeline, InceptionTap kTap>
Measure inception(Context& context) {
  const auto features = std::make_shared<InceptionFeatures>(context, require_weights("inception-fid"));
  return [&context, features](const PictureSet& part) {
    Tensor all = Tensor::zeros(DType::F32, {part.count(), width_of(kTap)});
    for (size_t first = 0; first < part.pictures.size(); first += kBatch) {
      context.check_cancelled();
      std::vector<Image> some;
      for (size_t i = first; i < std::min(first + kBatch, part.pictures.size()); ++i)
        some.push_back(read_rgb(part.pictures[i]));
      const Tensor values = (*features)(some, find_fid_pipeline(kPipeline), kTap);
      std::ranges::copy(values.values<float>(),
                        all.mutable_values<float>().begin() + static_cast<std::ptrdiff_t>(first) * width_of(kTap));
    }
    return all;
  };
}

Paths inception_files() { return {require_weights("inception-fid")}; }

constexpr int64_t kGrid = 4;

// Means over a grid of a latent [channels, cells, cells].
void put_grid(std::span<const float> latent, int64_t channels, int64_t cells, std::span<float> to) {
  const int64_t cell = cells / kGrid;
  size_t at = 0;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t gy = 0; gy < kGrid; ++gy)
      for (int64_t gx = 0; gx < kGrid; ++gx) {
        double sum = 0;
        for (int64_t y = gy * cell; y < (gy + 1) * cell; ++y)
          for (int64_t x = gx * cell; x < (gx + 1) * cell; ++x)
            sum += static_cast<double>(latent[static_cast<size_t>((c * cells + y) * cells + x)]);
        to[at++] = static_cast<float>(sum / static_cast<double>(cell * cell));
      }
}

Measure latents(Context& context) {
  const auto model = std::make_shared<LoadedModel>(load_model("emoji"));
  return [&context, model](const PictureSet& part) {
    const int64_t side = model->defaults.width, channels = model->vae.latent_channels;
    const size_t width = static_cast<size_t>(channels * kGrid * kGrid);
    Tensor all = Tensor::zeros(DType::F32, {part.count(), static_cast<int64_t>(width)});
    const auto no_noise = [](std::span<float> out) { std::ranges::fill(out, 0.0f); };
    for (size_t i = 0; i < part.pictures.size(); ++i) {
      context.check_cancelled();
      Image picture = read_rgb(part.pictures[i]);
      if (picture.width != side || picture.height != side) picture = resize(picture, side, side, ResizeFilter::Bicubic);
      const std::vector<float> latent = encode_picture(context, *model, image_to_tensor(picture), {}, no_noise);
      put_grid(latent, channels, side / model->vae.factor, all.mutable_values<float>().subspan(i * width, width));
    }
    return all;
  };
}

Paths latent_files() {
  Paths files;
  for (const models::ModelPart& part : load_model("emoji").source.parts)
    if (part.name == "vae") files = {part.weights};
  return files;
}

double distance(const FeatureSet& pictures, const FeatureSet* reference) {
  return frechet_distance(pictures.context(), pictures.gaussian(), reference->gaussian()).value;
}

// At 1/n = 0 of the first n pictures against the whole reference, from a tenth of them on.
double distance_at_infinity(const FeatureSet& pictures, const FeatureSet* reference) {
  const Tensor all = pictures.all();
  const FeatureGaussian other = reference->gaussian();
  const int64_t count = all.dim(0), width = all.dim(1);
  const auto distance_of = [&](int64_t n) {
    StatisticsBuilder builder(pictures.context(), width);
    builder.add(all.values<float>().first(static_cast<size_t>(n * width)));
    return frechet_distance(pictures.context(), gaussian_of(builder.finish()), other).value;
  };
  return extrapolated_distance(distance_of, std::max<int64_t>(2, count / 10), count);
}

double kid(const FeatureSet& pictures, const FeatureSet* reference) {
  const Tensor a = pictures.all(), b = reference->all();
  KidOptions options;
  options.size = std::min({options.size, a.dim(0), b.dim(0)});
  return kernel_inception_distance(pictures.context(), a, b, options).mean;
}

double inception_score_of(const FeatureSet& pictures, const FeatureSet*) {
  const Tensor logits = pictures.all();
  InceptionScoreOptions options;
  options.splits = std::min(options.splits, logits.dim(0));
  return inception_score(logits, options).mean;
}

constexpr char kPytorchFid[] = "pytorch-fid", kCleanFid[] = "clean-fid", kFidelity[] = "torch-fidelity",
               kTorchMetrics[] = "torchmetrics", kLogits[] = "torch-fidelity-logits", kLatents[] = "emoji-vae";
constexpr InceptionTap kPool = InceptionTap::Pool2048;

}  // namespace

const std::vector<FeatureKind>& feature_kinds() {
  static const std::vector<FeatureKind> rows = {
      {kPytorchFid, "Inception features, pytorch-fid's pipeline", inception<kPytorchFid, kPool>, inception_files},
      {kCleanFid, "clean-fid's pipeline", inception<kCleanFid, kPool>, inception_files},
      {kFidelity, "torch-fidelity's pipeline", inception<kFidelity, kPool>, inception_files},
      {kTorchMetrics, "the pipeline of torchmetrics 1.8", inception<kTorchMetrics, kPool>, inception_files},
      {kLogits, "class scores in torch-fidelity's pipeline", inception<kFidelity, InceptionTap::LogitsUnbiased>,
       inception_files},
      {kLatents, "latents of the built-in model on a grid of 4x4", latents, latent_files},
  };
  return rows;
}

const FeatureKind& find_feature_kind(std::string_view name) {
  std::string known;
  for (const FeatureKind& kind : feature_kinds()) {
    if (name == kind.name) return kind;
    known += format("{}{}", known.empty() ? "" : ", ", kind.name);
  }
  fail(ErrorCode::InvalidArgument, "features '{}': want one of {}", name, known);
}

FeatureStatistics FeatureSet::statistics() const {
  NIBBLE_CHECK(shards_ != nullptr, "features of a file");
  std::optional<StatisticsBuilder> builder;
  shards_->read(kind_->source(), *set_, [&](const Tensor& part) {
    if (!builder) builder.emplace(context_, part.dim(1));
    builder->add(part.values<float>());
  });
  NIBBLE_CHECK(builder, "no pictures");
  return builder->finish();
}

FeatureGaussian FeatureSet::gaussian() const { return saved_ ? *saved_ : gaussian_of(statistics()); }

Tensor FeatureSet::all() const {
  NIBBLE_CHECK(shards_ != nullptr, "features of a file");
  std::vector<float> rows;
  int64_t width = 0;
  shards_->read(kind_->source(), *set_, [&](const Tensor& part) {
    width = part.dim(1);
    rows.insert(rows.end(), part.values<float>().begin(), part.values<float>().end());
  });
  Tensor all = Tensor::zeros(DType::F32, {set_->count(), width});
  std::ranges::copy(rows, all.mutable_values<float>().begin());
  return all;
}

const std::vector<SetMetric>& set_metrics() {
  static const std::vector<SetMetric> rows = {
      {"fid", "FID", "Fréchet Inception distance, pytorch-fid's pipeline", kPytorchFid, 3, false, true, true, distance},
      {"fid-clean", "FID clean", "the same in clean-fid's pipeline, as SVDQuant", kCleanFid, 3, false, true, true,
       distance},
      {"fid-torch-fidelity", "FID t-f", "the same in torch-fidelity's pipeline", kFidelity, 3, false, true, true,
       distance},
      {"fid-torchmetrics", "FID tm", "the same in the pipeline of torchmetrics 1.8", kTorchMetrics, 3, false, true,
       true, distance},
      {"fid-clean-inf", "FID∞ clean", "fid-clean at infinitely many pictures, by a line in 1/n over 15 parts of them",
       kCleanFid, 3, false, true, true, distance_at_infinity},
      {"kid", "KID", "kernel Inception distance, torch-fidelity's pipeline and subsets", kFidelity, 6, false, true,
       false, kid},
      {"is", "IS", "Inception Score, torch-fidelity's pipeline", kLogits, 3, true, false, false, inception_score_of},
      {"fd-vae", "fd-vae",
       "a proxy without other networks: Fréchet distance of the built-in model's own latents on a grid of 4x4",
       kLatents, 4, false, true, true, distance},
      {"fd-vae-inf", "fd-vae∞", "fd-vae at infinitely many pictures", kLatents, 4, false, true, true,
       distance_at_infinity},
  };
  return rows;
}

const SetMetric* find_set_metric(std::string_view name) {
  const auto found = std::ranges::find_if(set_metrics(), [name](const SetMetric& m) { return name == m.name; });
  return found == set_metrics().end() ? nullptr : &*found;
}

}  // namespace nibble
