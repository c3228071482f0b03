#include "tasks/evaluate/metrics.h"

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

constexpr size_t kBatch = 16;  // pictures decoded at a time

Image read_reference(const std::filesystem::path& file, const Image& like) {
  Image image = read_rgb(file);
  if (image.width != like.width || image.height != like.height) image = resize(image, like.width, like.height, ResizeFilter::Bicubic);
  return image;
}

// Calls `body` with a few pictures and the index of the first.
template <typename Body>
std::vector<double> in_batches(Context& context, const PictureSet& set, const Body& body) {
  std::vector<double> values;
  for (size_t first = 0; first < set.pictures.size(); first += kBatch) {
    context.check_cancelled();
    const size_t count = std::min(kBatch, set.pictures.size() - first);
    std::vector<Image> pictures;
    for (size_t i = 0; i < count; ++i) pictures.push_back(read_rgb(set.pictures[first + i]));
    const std::vector<double> some = body(pictures, std::span(set.texts).subspan(first, count));
    values.insert(values.end(), some.begin(), some.end());
  }
  return values;
}

std::vector<double> lpips(Context& context, const PictureSet& set, LpipsNet net, const char* backbone, const char* heads) {
  Lpips distance(context, net, require_weights(backbone), require_weights(heads));
  std::vector<double> values;
  for (size_t i = 0; i < set.pictures.size(); ++i) {
    context.check_cancelled();
    const Image picture = read_rgb(set.pictures[i]);
    values.push_back(distance(read_reference(set.references[i], picture), picture).total);
  }
  return values;
}

std::vector<double> lpips_alex(Context& context, const PictureSet& set) { return lpips(context, set, LpipsNet::Alex, "alexnet", "lpips-alex"); }
std::vector<double> lpips_vgg(Context& context, const PictureSet& set) { return lpips(context, set, LpipsNet::Vgg, "vgg16", "lpips-vgg"); }
std::vector<double> lpips_squeeze(Context& context, const PictureSet& set) {
  return lpips(context, set, LpipsNet::Squeeze, "squeezenet1-1", "lpips-squeeze");
}

std::vector<double> clip(Context& context, const PictureSet& set, const char* weights, const ClipConvention& convention) {
  ClipNetwork network(context, require_weights(weights));
  return in_batches(context, set, [&](std::span<const Image> pictures, std::span<const std::string> texts) {
    return clip_scores(network, pictures, texts, convention);
  });
}

std::vector<double> clip_l14(Context& c, const PictureSet& s) { return clip(c, s, "clip-vit-l-14", kTorchMetricsClip); }
std::vector<double> clip_l14_correct(Context& c, const PictureSet& s) { return clip(c, s, "clip-vit-l-14", kCorrectClip); }
std::vector<double> clip_b32(Context& c, const PictureSet& s) { return clip(c, s, "clip-vit-b-32", kOpenAiClip); }
std::vector<double> clip_b16(Context& c, const PictureSet& s) { return clip(c, s, "clip-vit-b-16", kTorchMetricsClip); }

std::vector<double> iqa(Context& context, const PictureSet& set) {
  ClipNetwork network(context, require_weights("clip-vit-l-14"));
  return in_batches(context, set, [&](std::span<const Image> pictures, std::span<const std::string>) {
    return clip_iqa(network, pictures, find_clip_iqa_pair("quality"));
  });
}

std::vector<double> aesthetic(Context& context, const PictureSet& set) {
  ClipNetwork network(context, require_weights("clip-vit-l-14"));
  const AffineHead head = read_aesthetic_head(require_weights("aesthetic"));
  return in_batches(context, set, [&](std::span<const Image> pictures, std::span<const std::string>) {
    return aesthetic_scores(network, head, pictures);
  });
}

std::vector<double> image_reward(Context& context, const PictureSet& set) {
  ImageReward reward(context, require_weights("image-reward"), require_weights("bert-vocabulary"));
  return in_batches(context, set, [&](std::span<const Image> pictures, std::span<const std::string> texts) {
    return reward.rewards(pictures, texts);
  });
}

template <const char*... kNames>
void require() {
  (require_weights(kNames), ...);
}

constexpr char kL14[] = "clip-vit-l-14", kB32[] = "clip-vit-b-32", kB16[] = "clip-vit-b-16", kAesthetic[] = "aesthetic", kReward[] = "image-reward", kBert[] = "bert-vocabulary", kAlex[] = "alexnet",
               kAlexHeads[] = "lpips-alex", kVgg[] = "vgg16", kVggHeads[] = "lpips-vgg", kSqueeze[] = "squeezenet1-1",
               kSqueezeHeads[] = "lpips-squeeze";

std::vector<EvaluationMetric> all_metrics() {
  std::vector<EvaluationMetric> rows;
  for (const PairMetric& pair : pair_metrics())
    rows.push_back({pair.name, pair.title, pair.digits, pair.higher_is_better, true, pair.about, nullptr, &pair, nullptr});
  const auto network = [&rows](const char* name, const char* title, int digits, bool up, bool paired, const char* about, auto* measure, auto* needs) {
    rows.push_back({name, title, digits, up, paired, about, measure, nullptr, needs});
  };
  network("lpips", "LPIPS alex", 4, false, true, "perceptual distance on AlexNet, as SVDQuant and torchmetrics", lpips_alex, require<kAlex, kAlexHeads>);
  network("lpips-vgg", "LPIPS vgg", 4, false, true, "perceptual distance on VGG16", lpips_vgg, require<kVgg, kVggHeads>);
  network("lpips-squeeze", "LPIPS squeeze", 4, false, true, "perceptual distance on SqueezeNet 1.1", lpips_squeeze, require<kSqueeze, kSqueezeHeads>);
  network("clip-score", "CLIP L/14", 3, true, false, "picture and prompt on ViT-L/14, as torchmetrics", clip_l14, require<kL14>);
  network("clip-score-correct", "CLIP L/14 correct", 3, true, false, "the same, long prompts cut as CLIP does", clip_l14_correct, require<kL14>);
  network("clip-score-b16", "CLIP B/16", 3, true, false, "on ViT-B/16, as torchmetrics", clip_b16, require<kB16>);
  network("clip-score-b32", "CLIP B/32", 3, true, false, "on ViT-B/32, as MLPerf", clip_b32, require<kB32>);
  network("clip-iqa", "CLIP-IQA", 4, true, false, "'Good photo.' against 'Bad photo.' on ViT-L/14", iqa, require<kL14>);
  network("aesthetic", "aesthetic", 3, true, false, "LAION's aesthetic predictor, about 1 to 10", aesthetic, require<kL14, kAesthetic>);
  network("image-reward", "ImageReward", 3, true, false, "how much people would prefer the picture for its prompt", image_reward,
          require<kReward, kBert>);
  return rows;
}

std::vector<double> measure_pairs(Context& context, const PairMetric& metric, const PictureSet& set, const std::string& stage) {
  const int64_t total = static_cast<int64_t>(set.pictures.size()), step = 4 * context.threads.size();
  std::vector<double> values(set.pictures.size());
  for (int64_t done = 0; done < total; done += step) {
    context.check_cancelled();
    context.report(stage, done, total);
    context.threads.run(std::min(step, total - done), 1, [&](int64_t begin, int64_t end, int) {
      for (size_t i = static_cast<size_t>(done + begin); i < static_cast<size_t>(done + end); ++i) {
        const Image picture = read_rgb(set.pictures[i]);
        values[i] = metric.measure(read_reference(set.references[i], picture), picture);
      }
    });
  }
  context.report(stage, total, total);
  return values;
}

}  // namespace

const std::vector<EvaluationMetric>& evaluation_metrics() {
  static const std::vector<EvaluationMetric> rows = all_metrics();
  return rows;
}

namespace {

void take_metric(ChosenMetrics& chosen, std::string_view name) {
  if (const SetMetric* set = find_set_metric(name)) {
    if (set->require != nullptr) set->require();
    chosen.sets.push_back(set);
    return;
  }
  std::string known;
  for (const EvaluationMetric& row : evaluation_metrics()) {
    if (name == row.name) {
      if (row.require != nullptr) row.require();
      chosen.pictures.push_back(&row);
      return;
    }
    known += format("{}, ", row.name);
  }
  for (const SetMetric& row : set_metrics()) known += format("{}{}", row.name, &row == &set_metrics().back() ? "" : ", ");
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

std::vector<double> measure_metric(Context& context, const EvaluationMetric& metric, const PictureSet& set, const std::string& label) {
  const std::string stage = format("{} {}", metric.name, label);
  if (metric.pair != nullptr) return measure_pairs(context, *metric.pair, set, stage);
  return metric.measure(context, set);
}

}  // namespace nibble
