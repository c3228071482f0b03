#include "metrics/inception_features.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "formats/weight_file.h"

namespace nibble {
namespace {

constexpr int64_t kInceptionBatch = 8;

constexpr FidPipeline kPipelines[] = {
    {"clean-fid", "clean-fid, mode clean: Pillow's bicubic on float channels, clipped, (p - 128)/128; SVDQuant's tables", FidResize::CleanFid, false},
    {"pytorch-fid", "pytorch-fid: bilinear without antialiasing, 2 p/255 - 1; MLPerf and many papers", FidResize::PytorchFid, true},
    {"torch-fidelity", "torch-fidelity: TensorFlow 1's bilinear, (p - 128)/128; torchmetrics before 1.8", FidResize::TorchFidelity, false},
    {"torchmetrics", "torchmetrics from 1.8 on: antialiased bilinear, (p - 128)/128", FidResize::TorchMetrics, false},
};

std::shared_ptr<const WeightSource> source_of(const std::filesystem::path& path) {
  const WeightFile file = open_weights(path);
  return std::make_shared<WeightSource>(
      WeightSource{"file " + path.string(), [file](const std::string& name, const Shape&) { return file.find(name); }});
}

Value pick(const models::InceptionV3::Features& f, InceptionTap tap) {
  switch (tap) {
    case InceptionTap::Low64: return f.low64;
    case InceptionTap::Low192: return f.low192;
    case InceptionTap::Mid768: return f.mid768;
    case InceptionTap::Pool2048: return f.pool2048;
    case InceptionTap::LogitsUnbiased: return f.logits_unbiased;
    case InceptionTap::Logits: return f.logits;
  }
  NIBBLE_CHECK(false, "inception tap");
}

void put_picture(const Image& image, const FidPipeline& pipeline, std::span<float> to) {
  const FloatImage picture = fid_picture(image, pipeline.resize, models::InceptionV3::kSize);
  std::ranges::transform(picture.pixels, to.begin(), [&](float p) { return pipeline.by_255 ? 2 * (p / 255) - 1 : (p - 128) / 128; });
}

}  // namespace

std::span<const FidPipeline> fid_pipelines() { return kPipelines; }

const FidPipeline& find_fid_pipeline(std::string_view name) {
  std::string known;
  for (const FidPipeline& row : kPipelines) {
    if (name == row.name) return row;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  fail(ErrorCode::InvalidArgument, "FID pipeline \"{}\": want one of {}", name, known);
}

int64_t width_of(InceptionTap tap) {
  switch (tap) {
    case InceptionTap::Low64: return 64;
    case InceptionTap::Low192: return 192;
    case InceptionTap::Mid768: return 768;
    case InceptionTap::Pool2048: return 2048;
    case InceptionTap::LogitsUnbiased:
    case InceptionTap::Logits: return 1008;
  }
  NIBBLE_CHECK(false, "inception tap");
}

InceptionFeatures::InceptionFeatures(Context& context, const std::filesystem::path& file) : InceptionFeatures(context, source_of(file)) {}

InceptionFeatures::InceptionFeatures(Context& context, std::shared_ptr<const WeightSource> weights)
    : context_(context), network_(Scope(std::move(weights), nullptr)) {}

Plan& InceptionFeatures::plan_of(InceptionTap tap, int64_t batch) {
  Recorded& r = plans_[{tap, batch}];
  if (!r.plan) {
    constexpr int64_t kSide = models::InceptionV3::kSize;
    const Value pixels = r.graph.input("pixels", {DType::F32, {batch, kSide, kSide, 3}}, Rate::Prompt);
    r.plan = std::make_unique<Plan>(context_, r.graph, std::vector<Value>{pick(network_(pixels), tap)});
  }
  return *r.plan;
}

Tensor InceptionFeatures::operator()(std::span<const Image> pictures, const FidPipeline& pipeline, InceptionTap tap) {
  constexpr int64_t kSide = models::InceptionV3::kSize;
  const int64_t total = static_cast<int64_t>(pictures.size()), width = width_of(tap);
  Tensor features = Tensor::zeros(DType::F32, {total, width});
  for (int64_t done = 0; done < total; done += kInceptionBatch) {
    context_.check_cancelled();
    context_.report("inception", done, total);
    const int64_t batch = std::min(kInceptionBatch, total - done), size = kSide * kSide * 3;
    Tensor pixels = Tensor::zeros(DType::F32, {batch, kSide, kSide, 3});
    const std::span<float> to = pixels.mutable_values<float>();
    context_.threads.run(batch, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i)
        put_picture(pictures[static_cast<size_t>(done + i)], pipeline, to.subspan(static_cast<size_t>(i * size), static_cast<size_t>(size)));
    });
    Plan& plan = plan_of(tap, batch);
    plan.bind("pixels", pixels);
    plan.run();
    std::memcpy(features.mutable_values<float>().data() + done * width, plan.output(0).data, plan.output(0).type.bytes());
  }
  context_.report("inception", total, total);
  return features;
}

}  // namespace nibble
