#include "pipelines/stages.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "graph/replace.h"
#include "ops/attention.h"

namespace nibble {

void to_channels_last(std::span<const float> chw, const LatentShape& s, std::span<float> hwc) {
  const int64_t pixels = s.height * s.width;
  for (int64_t c = 0; c < s.channels; ++c)
    for (int64_t p = 0; p < pixels; ++p) hwc[static_cast<size_t>(p * s.channels + c)] = chw[static_cast<size_t>(c * pixels + p)];
}

void to_channels_first(std::span<const float> hwc, const LatentShape& s, std::span<float> chw) {
  const int64_t pixels = s.height * s.width;
  for (int64_t c = 0; c < s.channels; ++c)
    for (int64_t p = 0; p < pixels; ++p) chw[static_cast<size_t>(c * pixels + p)] = hwc[static_cast<size_t>(p * s.channels + c)];
}

DenoiseStage::DenoiseStage(Context& context, const LoadedModel& model, const LatentShape& latent, int64_t text_tokens,
                           int64_t batch, DType precision, PlanOptions options, AttentionForm attention)
    : context_(context), model_(model), latent_(latent), batch_(batch), tensors_(model.source.tensors("unet")) {
  ParameterList parameters;
  unet_ = std::make_unique<models::UNet2DConditionModel>(Scope(models::weight_source(tensors_, "unet"), &parameters), model.unet);
  weights_ = parameters.bytes();
  const models::UNetConfig& config = model.unet;
  inputs_.sample = graph_.input("sample", {precision, {batch, latent.height, latent.width, latent.channels}}, Rate::Branch);
  inputs_.timestep = graph_.input("timestep", {DType::F32, {batch}}, Rate::Step);
  inputs_.text = graph_.input("text", {precision, {batch, text_tokens, config.mid.context_width}}, Rate::Prompt);
  if (model.sdxl) {
    const int64_t sizes = model.aesthetic_score ? 5 : 6;
    inputs_.pooled_text =
        graph_.input("pooled_text", {precision, {batch, config.added_width - sizes * config.size_embedding}}, Rate::Prompt);
    inputs_.sizes = graph_.input("sizes", {DType::F32, {batch, sizes}}, Rate::Prompt);
  }
  if (config.time_cond_width > 0)
    inputs_.guidance_embedding = graph_.input("guidance", {precision, {batch, config.time_cond_width}}, Rate::Prompt);
  Value out = (*unet_)(inputs_);
  if (attention != AttentionForm::Float) {
    record_replaced(graph_, other_form_, [&](const Op& op) { return ops::attention_in_form(op, attention); });
    out = Value(&other_form_, out.id());
  }
  plan_ = std::make_unique<Plan>(context, out.graph(), std::vector<Value>{out}, std::move(options));
  sample_ = Tensor::zeros(DType::F32, {batch, latent.height, latent.width, latent.channels});
  steps_ = Tensor::zeros(DType::F32, {batch});
}

void DenoiseStage::set_prompt(const Conditioning& conditioning, const Tensor& sizes, int64_t first, double guidance) {
  plan_->bind(inputs_.text, conditioning.text.rows(first, first + batch_));
  if (model_.sdxl) {
    plan_->bind(inputs_.pooled_text, conditioning.pooled.rows(first, first + batch_));
    plan_->bind(inputs_.sizes, sizes.rows(first, first + batch_));
  }
  if (inputs_.guidance_embedding)
    plan_->bind(inputs_.guidance_embedding, guidance_embedding(guidance - 1, model_.unet.time_cond_width));
}

void DenoiseStage::run(std::span<const float> input, float timestep, std::span<float> out) {
  const size_t size = static_cast<size_t>(latent_.count());
  const auto sample = sample_.mutable_values<float>();
  for (int64_t b = 0; b < batch_; ++b) {
    to_channels_last(input, latent_, sample.subspan(static_cast<size_t>(b) * size, size));
    steps_.mutable_values<float>()[static_cast<size_t>(b)] = timestep;
  }
  plan_->bind(inputs_.timestep, steps_);
  plan_->bind(inputs_.sample, sample_);
  plan_->run();
  const Tensor result = plan_->output_copy(0);
  for (int64_t b = 0; b < batch_; ++b)
    to_channels_first(result.values<float>().subspan(static_cast<size_t>(b) * size, size), latent_,
                      out.subspan(static_cast<size_t>(b) * size, size));
}

void DenoiseStage::release() {
  plan_->release();
  tensors_.drop_pages();
}

DecodeStage::DecodeStage(Context& context, const LoadedModel& model, const LatentShape& latent, DType precision,
                         PlanOptions options, int64_t strips)
    : latent_(latent), tensors_(model.vae_from().tensors("vae")) {
  ParameterList parameters;
  vae_ = models::make_vae(Scope(models::weight_source(tensors_, "vae"), &parameters), model.vae, models::VaeParts::Decoder);
  weights_ = parameters.bytes();
  input_ = graph_.input("latent", {precision, {1, latent.height, latent.width, latent.channels}}, Rate::Step);
  plan_ = std::make_unique<Plan>(context, graph_, std::vector<Value>{vae_->decode(input_, {&context, strips})}, std::move(options));
}

Tensor DecodeStage::run(std::span<const float> latent) {
  Tensor value = Tensor::zeros(DType::F32, {1, latent_.height, latent_.width, latent_.channels});
  to_channels_last(latent, latent_, value.mutable_values<float>());
  plan_->bind(input_, value);
  plan_->run();
  return plan_->output_copy(0);
}

void DecodeStage::release() {
  plan_->release();
  tensors_.drop_pages();
}

int64_t decode_strips(Context& context, const LoadedModel& model, const LatentShape& latent, const GenerateRequest& request,
                      size_t beside) {
  constexpr int64_t kRows = 64, kFewestRows = 8;
  const int64_t height = latent.height * model.vae.factor;
  if (request.vae_tiles > 0) return request.vae_tiles;
  if (request.vae_tiles < 0) return std::max<int64_t>(2, height / kRows);
  if (request.memory_limit == 0) return 1;
  int64_t strips = 1;
  for (; strips * kFewestRows < height; strips *= 2) {
    const DecodeStage stage(context, model, latent, request.precision, {}, strips);
    if (beside + stage.weight_bytes() + stage.arena_bytes() <= request.memory_limit) break;
  }
  return strips;
}

std::vector<float> encode_picture(Context& context, const LoadedModel& model, const Tensor& picture, const GenerateRequest& request,
                                  const std::function<void(std::span<float>)>& noise) {
  const models::NamedTensors tensors = model.encoder_from().tensors("vae");
  const auto vae = models::make_vae(Scope(models::weight_source(tensors, "vae"), nullptr), model.vae, models::VaeParts::Encoder);
  Graph graph;
  const Value input = graph.input("picture", {request.precision, picture.shape()}, Rate::Step);
  Plan plan(context, graph, {vae->encode(input, true)});
  check_memory(request, "encoding the picture", tensors.bytes() + plan.arena_bytes());
  plan.bind(input, picture);
  plan.run();
  const Tensor moments = plan.output_copy(0);
  tensors.drop_pages();

  const LatentShape shape{moments.dim(3), moments.dim(1), moments.dim(2)};
  std::vector<float> planes(static_cast<size_t>(shape.count()));
  to_channels_first(moments.values<float>(), shape, planes);
  if (model.vae.tiny) return planes;
  const size_t size = planes.size() / 2;
  std::vector<float> latent(size);
  noise(latent);
  for (size_t i = 0; i < size; ++i) {
    const float deviation = std::exp(0.5f * std::clamp(planes[size + i], -30.0f, 20.0f));
    const float z = planes[i] + deviation * latent[i];
    latent[i] = (z - model.vae.shift) * model.vae.scaling;
  }
  return latent;
}

}  // namespace nibble
