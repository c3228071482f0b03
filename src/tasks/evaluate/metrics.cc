#include "tasks/evaluate/metrics.h"

#include <algorithm>

#include "base/error.h"
#include "image/codec.h"
#include "image/resize.h"
#include "metrics/aesthetic.h"
#include "metrics/clip_iqa.h"
#include "metrics/clip_score.h"
#include "metrics/image_reward.h"
#include "metrics/lpips.h"
#include "metrics/published_weights.h"

namespace nibble {
namespace {

constexpr int64_t kBatch = 16;  // pictures decoded at a time

Image read_reference(const std::filesystem::path& file, const Image& like) {
  Image image = read_rgb(file);
  if (image.width != like.width || image.height != like.height)
    image = resize(image, like.width, like.height, ResizeFilter::Bicubic);
  return image;
}

Tensor column(const std::vector<double>& values) {
  Tensor tensor = Tensor::zeros(DType::F64, {static_cast<int64_t>(values.size()), 1});
  std::ranges::copy(values, tensor.mutable_values<double>().begin());
  return tensor;
}

// `values` of a few pictures and their prompts at a time.
using ValuesOf = std::function<std::vector<double>(std::span<const Image>, std::span<const std::string>)>;

Measure in_batches(Context& context, ValuesOf values_of) {
  return [&context, values_of = std::move(values_of)](const PictureSet& part) {
    std::vector<double> values;
    for (int64_t first = 0; first < part.count(); first += kBatch) {
      context.check_cancelled();
      const size_t begin = static_cast<size_t>(first);
      std::vector<Image> pictures;
      for (size_t i = begin; i < static_cast<size_t>(std::min(first + kBatch, part.count())); ++i)
        pictures.push_back(read_rgb(part.pictures[i]));
      const std::vector<double> some = values_of(pictures, std::span(part.texts).subspan(begin, pictures.size()));
      values.insert(values.end(), some.begin(), some.end());
    }
    return column(values);
  };
}

Measure pairs(Context& context, const PairMetric& metric) {
  return [&context, &metric](const PictureSet& part) {
    std::vector<double> values(part.pictures.size());
    context.threads.run(part.count(), 1, [&](int64_t begin, int64_t end, int) {
      for (size_t i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        const Image picture = read_rgb(part.pictures[i]);
        values[i] = metric.measure(read_reference(part.references[i], picture), picture);
      }
    });
    return column(values);
  };
}

template <LpipsNet kNet, const char* kBackbone, const char* kHeads>
Measure lpips(Context& context) {
  const auto distance = std::make_shared<Lpips>(context, kNet, require_weights(kBackbone), require_weights(kHeads));
  return [&context, distance](const PictureSet& part) {
    std::vector<double> values;
    for (size_t i = 0; i < part.pictures.size(); ++i) {
      context.check_cancelled();
      const Image picture = read_rgb(part.pictures[i]);
      values.push_back((*distance)(read_reference(part.references[i], picture), picture).total);
    }
    return column(values);
  };
}

template <const char* kWeights, const ClipConvention& kConvention>
Measure clip(Context& context) {
  const auto network = std::make_shared<ClipNetwork>(context, require_weights(kWeights));
  return in_batches(context, [network](std::span<const Image> pictures, std::span<const std::string> texts) {
    return clip_scores(*network, pictures, texts, kConvention);
  });
}

Measure iqa(Context& context) {
  const auto network = std::make_shared<ClipNetwork>(context, require_weights("clip-vit-l-14"));
  return in_batches(context, [network](std::span<const Image> pictures, std::span<const std::string>) {
    return clip_iqa(*network, pictures, find_clip_iqa_pair("quality"));
  });
}

Measure aesthetic(Context& context) {
  const auto network = std::make_shared<ClipNetwork>(context, require_weights("clip-vit-l-14"));
  const AffineHead head = read_aesthetic_head(require_weights("aesthetic"));
  return in_batches(context, [network, head](std::span<const Image> pictures, std::span<const std::string>) {
    return aesthetic_scores(*network, head, pictures);
  });
}

Measure image_reward(Context& context) {
  const auto reward =
      std::make_shared<ImageReward>(context, require_weights("image-reward"), require_weights("bert-vocabulary"));
  return in_batches(context, [reward](std::span<const Image> pictures, std::span<const std::string> texts) {
    return reward->rewards(pictures, texts);
  });
}

constexpr char kL14[] = "clip-vit-l-14", kB32[] = "clip-vit-b-32", kB16[] = "clip-vit-b-16", kAesthetic[] = "aesthetic",
               kReward[] = "image-reward", kBert[] = "bert-vocabulary", kAlex[] = "alexnet",
               kAlexHeads[] = "lpips-alex", kVgg[] = "vgg16", kVggHeads[] = "lpips-vgg", kSqueeze[] = "squeezenet1-1",
               kSqueezeHeads[] = "lpips-squeeze";

template <const char*... kNames>
std::vector<std::filesystem::path> files() {
  return {require_weights(kNames)...};
}

std::vector<EvaluationMetric> all_metrics() {
  std::vector<EvaluationMetric> rows;
  for (const PairMetric& pair : pair_metrics())
    rows.push_back({pair.name, pair.title, pair.digits, pair.higher_is_better, true, pair.about,
                    [&pair](Context& context) { return pairs(context, pair); }, nullptr, &pair});
  const auto network = [&rows](const char* name, const char* title, int digits, bool up, bool paired, const char* about,
                               Measure (*open)(Context&), auto* needs) {
    rows.push_back({name, title, digits, up, paired, about, open, needs});
  };
  network("lpips", "LPIPS alex", 4, false, true, "perceptual distance on AlexNet, as SVDQuant and torchmetrics",
          lpips<LpipsNet::Alex, kAlex, kAlexHeads>, files<kAlex, kAlexHeads>);
  network("lpips-vgg", "LPIPS vgg", 4, false, true, "perceptual distance on VGG16",
          lpips<LpipsNet::Vgg, kVgg, kVggHeads>, files<kVgg, kVggHeads>);
  network("lpips-squeeze", "LPIPS squeeze", 4, false, true, "perceptual distance on SqueezeNet 1.1",
          lpips<LpipsNet::Squeeze, kSqueeze, kSqueezeHeads>, files<kSqueeze, kSqueezeHeads>);
  network("clip-score", "CLIP L/14", 3, true, false, "picture and prompt on ViT-L/14, as torchmetrics",
          clip<kL14, kTorchMetricsClip>, files<kL14>);
  network("clip-score-correct", "CLIP L/14 correct", 3, true, false, "the same, long prompts cut as CLIP does",
          clip<kL14, kCorrectClip>, files<kL14>);
  network("clip-score-b16", "CLIP B/16", 3, true, false, "on ViT-B/16, as torchmetrics", clip<kB16, kTorchMetricsClip>,
          files<kB16>);
  network("clip-score-b32", "CLIP B/32", 3, true, false, "on ViT-B/32, as MLPerf", clip<kB32, kOpenAiClip>,
          files<kB32>);
  network("clip-iqa", "CLIP-IQA", 4, true, false, "'Good photo.' against 'Bad photo.' on ViT-L/14", iqa, files<kL14>);
  network("aesthetic", "aesthetic", 3, true, false, "LAION's aesthetic predictor, about 1 to 10", aesthetic,
          files<kL14, kAesthetic>);
  network("image-reward", "ImageReward", 3, true, false, "how much people would prefer the picture for its prompt",
          image_reward, files<kReward, kBert>);
  return rows;
}

}  // namespace

const std::vector<EvaluationMetric>& evaluation_metrics() {
  static const std::vector<EvaluationMetric> rows = all_metrics();
  return rows;
}

namespace {

void take_metric(ChosenMetrics& chosen, std::string_view name) {
  if (const SetMetric* set = find_set_metric(name)) {
    set->kind().files();
    chosen.sets.push_back(set);
    return;
  }
  std::string known;
  for (const EvaluationMetric& row : evaluation_metrics()) {
    if (name == row.name) {
      if (row.files != nullptr) row.files();
      chosen.pictures.push_back(&row);
      return;
    }
    known += format("{}, ", row.name);
  }
  for (const SetMetric& row : set_metrics())
    known += format("{}{}", row.name, &row == &set_metrics().back() ? "" : ", ");
  fail(ErrorCode::InvalidArgument, "metric '{}': want one of {}", name, known);
}

}  // namespace

ChosenMetrics parse_evaluation_metrics(std::string_view list) {
  ChosenMetrics chosen;
  while (true) {
    const size_t comma = list.find(',');
    take_metric(chosen, list.substr(0, comma));
    if (comma == std::string_view::npos) return chosen;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace nibble
