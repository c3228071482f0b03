// The two heavy stages as planned graphs over mapped weights: the denoiser and the autoencoder. Latents outside are float32
// [channels, h, w], as samplers and random numbers see them; inside they are channels last.
#pragma once

#include <memory>
#include <span>

#include "graph/cost.h"
#include "graph/plan.h"
#include "models/unet/unet.h"
#include "models/vae/vae.h"
#include "pipelines/conditioning.h"
#include "pipelines/loaded_model.h"

namespace nibble {

struct LatentShape {
  int64_t channels, height, width;
  int64_t count() const { return channels * height * width; }
};

// [C, H, W] <-> [H, W, C].
void to_channels_last(std::span<const float> chw, const LatentShape& shape, std::span<float> hwc);
void to_channels_first(std::span<const float> hwc, const LatentShape& shape, std::span<float> chw);

class DenoiseStage {
 public:
  // `batch` rows per run: 2 for batched guidance, else 1; attention in the form given. Nothing is allocated before the first run.
  DenoiseStage(Context& context, const LoadedModel& model, const LatentShape& latent, int64_t text_tokens, int64_t batch,
               DType precision, PlanOptions options = {}, AttentionForm attention = AttentionForm::Float);

  size_t weight_bytes() const { return weights_; }
  size_t arena_bytes() const { return plan_->arena_bytes(); }
  Plan& plan() { return *plan_; }

  // Rows [first, first + batch) of the conditioning become the prompt of the next runs.
  void set_prompt(const Conditioning& conditioning, const Tensor& sizes, int64_t first, double guidance);
  // One prediction for `input` (the same for every row); out has batch parts of latent.count().
  void run(std::span<const float> input, float timestep, std::span<float> out);
  void release();  // gives the arena back and lets the weights' pages go

 private:
  Context& context_;
  const LoadedModel& model_;
  LatentShape latent_;
  int64_t batch_;
  models::NamedTensors tensors_;
  std::unique_ptr<models::UNet2DConditionModel> unet_;
  Graph graph_, other_form_;  // the second where attention is not in its recorded form; node by node the same
  models::UNetInputs inputs_;
  std::unique_ptr<Plan> plan_;
  size_t weights_ = 0;
  Tensor sample_, steps_;
};

class DecodeStage {
 public:
  // `strips` above 1: fewer bytes and more work for the same picture (models/strips.h).
  DecodeStage(Context& context, const LoadedModel& model, const LatentShape& latent, DType precision, PlanOptions options = {},
              int64_t strips = 1);
  size_t weight_bytes() const { return weights_; }
  size_t arena_bytes() const { return plan_->arena_bytes(); }
  Plan& plan() { return *plan_; }
  Tensor run(std::span<const float> latent);  // f32 [1, H, W, 3] in about [-1, 1]
  void release();

 private:
  LatentShape latent_;
  models::NamedTensors tensors_;
  std::unique_ptr<models::Vae> vae_;
  Graph graph_;
  Value input_;
  std::unique_ptr<Plan> plan_;
  size_t weights_ = 0;
};

// How many strips the request's decoder works in: what was asked for, or the fewest that keep `beside` + weights + arena within
// the memory limit (the most that are tried where none does).
int64_t decode_strips(Context& context, const LoadedModel& model, const LatentShape& latent, const GenerateRequest& request,
                      size_t beside = 0);

// The latent of a picture f32 [1, H, W, 3], drawn from the encoder's distribution with `noise` (AutoencoderKL; one standard
// normal number per latent element), in the denoiser's units, [channels, h, w].
std::vector<float> encode_picture(Context& context, const LoadedModel& model, const Tensor& picture, const GenerateRequest& request,
                                  const std::function<void(std::span<float>)>& noise);

}  // namespace nibble
