#include "metrics/clip_network.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "text/html.h"

namespace nibble {
namespace {

constexpr int64_t kClipBatch = 8;
constexpr int64_t kTokens = 77;
// transformers' published configs name 2, which stands for the largest id.
constexpr int64_t kLargestId = 2;

void check_vocabulary(const models::ClipConfig& text, const ClipTokenizer& tokenizer, const std::string& file) {
  if (text.vocabulary != tokenizer.vocabulary_size() || text.positions != kTokens)
    fail(ErrorCode::InvalidArgument,
         "file {}: want a CLIP of {} tokens and {} positions found {} and {}; take one that OpenAI published", file,
         tokenizer.vocabulary_size(), kTokens, text.vocabulary, text.positions);
}

}  // namespace

ClipNetwork::ClipNetwork(Context& context, const std::filesystem::path& file)
    : context_(context),
      towers_(models::read_clip_towers(open_weights(file))),
      text_(Scope(towers_.text_weights, nullptr), towers_.text),
      vision_(Scope(towers_.vision_weights, nullptr), towers_.vision),
      tokenizer_(ClipTokenizer::packaged()) {
  check_vocabulary(towers_.text, tokenizer_, file.string());
}

ClipNetwork::Recorded& ClipNetwork::picture_plan(int64_t batch) {
  Recorded& r = picture_plans_[batch];
  if (!r.plan) {
    const int64_t side = towers_.vision.image;
    const Value pixels = r.graph.input("pixels", {DType::F32, {batch, side, side, 3}}, Rate::Prompt);
    r.plan = std::make_unique<Plan>(context_, r.graph, std::vector<Value>{vision_(pixels).embedding});
  }
  return r;
}

ClipNetwork::Recorded& ClipNetwork::text_plan(int64_t batch) {
  Recorded& r = text_plans_[batch];
  if (!r.plan) {
    const Value ids = r.graph.input("ids", {DType::I32, {batch, kTokens}}, Rate::Prompt);
    const Value end = r.graph.input("end", {DType::I32, {batch}}, Rate::Prompt);
    r.plan = std::make_unique<Plan>(context_, r.graph, std::vector<Value>{text_(ids, end, 0, true, DType::F32).pooled});
  }
  return r;
}

Tensor ClipNetwork::picture_vectors(std::span<const Image> pictures, const ClipConvention& convention) {
  const int64_t total = static_cast<int64_t>(pictures.size()), side = towers_.vision.image;
  Tensor vectors = Tensor::zeros(DType::F32, {total, width()});
  for (int64_t done = 0; done < total; done += kClipBatch) {
    context_.check_cancelled();
    context_.report("clip pictures", done, total);
    const int64_t batch = std::min(kClipBatch, total - done);
    Tensor pixels = Tensor::zeros(DType::F32, {batch, side, side, 3});
    const std::span<float> to = pixels.mutable_values<float>();
    context_.threads.run(batch, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const FloatImage picture =
            normalized(clip_picture(pictures[static_cast<size_t>(done + i)], convention.crop, side), kClipNorm);
        std::ranges::copy(picture.pixels, to.begin() + i * side * side * 3);
      }
    });
    Plan& plan = *picture_plan(batch).plan;
    plan.bind("pixels", pixels);
    plan.run();
    std::memcpy(vectors.mutable_values<float>().data() + done * width(), plan.output(0).data,
                plan.output(0).type.bytes());
  }
  context_.report("clip pictures", total, total);
  return vectors;
}

Tensor ClipNetwork::text_vectors(std::span<const std::string> texts, const ClipConvention& convention) {
  const int64_t total = static_cast<int64_t>(texts.size());
  Tensor vectors = Tensor::zeros(DType::F32, {total, width()});
  for (int64_t done = 0; done < total; done += kClipBatch) {
    context_.check_cancelled();
    context_.report("clip texts", done, total);
    const int64_t batch = std::min(kClipBatch, total - done);
    Tensor ids = Tensor::zeros(DType::I32, {batch, kTokens}), end = Tensor::zeros(DType::I32, {batch});
    for (int64_t i = 0; i < batch; ++i) {
      const ClipIds row = clip_ids(tokenizer_, texts[static_cast<size_t>(done + i)], convention);
      std::ranges::copy(row.ids, ids.mutable_values<int32_t>().begin() + i * kTokens);
      end.mutable_values<int32_t>()[static_cast<size_t>(i)] = row.end;
    }
    Plan& plan = *text_plan(batch).plan;
    plan.bind("ids", ids);
    plan.bind("end", end);
    plan.run();
    std::memcpy(vectors.mutable_values<float>().data() + done * width(), plan.output(0).data,
                plan.output(0).type.bytes());
  }
  context_.report("clip texts", total, total);
  return vectors;
}

ClipIds clip_ids(const ClipTokenizer& tokenizer, const std::string& text, const ClipConvention& convention) {
  std::vector<int32_t> ids = tokenizer.encode(convention.unescape ? unescape_html(unescape_html(text)) : text);
  ids.insert(ids.begin(), tokenizer.start_id());
  if (convention.long_texts == LongTexts::Correct) ids.resize(std::min<size_t>(ids.size(), kTokens - 1));
  ids.push_back(tokenizer.end_id());
  ids.resize(kTokens, tokenizer.end_id());
  return {ids, static_cast<int32_t>(models::end_of_text(ids, kLargestId))};
}

double clip_similarity(const Tensor& a, int64_t i, const Tensor& b, int64_t j) {
  const int64_t width = a.dim(1);
  NIBBLE_CHECK(b.dim(1) == width, "vectors of {} and {}", width, b.dim(1));
  const auto x = a.values<float>().subspan(static_cast<size_t>(i * width), static_cast<size_t>(width));
  const auto y = b.values<float>().subspan(static_cast<size_t>(j * width), static_cast<size_t>(width));
  double xy = 0, xx = 0, yy = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    const double u = static_cast<double>(x[k]), v = static_cast<double>(y[k]);
    xy += u * v, xx += u * u, yy += v * v;
  }
  return xx == 0 || yy == 0 ? 0 : 100 * xy / std::sqrt(xx * yy);
}

}  // namespace nibble
