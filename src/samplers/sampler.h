// A sampler: a schedule of model calls and the pure step between them. It sees spans of floats, never a model.
//
//   auto sampler = make_sampler(scheduler_config, "euler", {}, 20);      // samplers/registry.h
//   sampler->start(0);
//   sample = noise * sampler->init_noise_sigma();                        // image-to-image: add_noise(start, ...)
//   for (int i = 0; i < sampler->calls(); ++i) {                         // image-to-image: from start_index(strength)
//     sampler->scale_model_input(i, sample, input);
//     output = model(input, sampler->timesteps()[i]);
//     sampler->step(i, output, sample, fill_noise);
//   }
//
// The arithmetic and its order are those of the diffusers scheduler of the same name, in float32.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "samplers/scheduler_config.h"

namespace nibble {

// Fills the span with standard normal numbers, laid out like the sample. To equal diffusers each picture's part is
// drawn from its own Generator in the order channel, row, column, in one randn call for each call of this function.
using NoiseSource = std::function<void(std::span<float>)>;

enum class SampleSpace {
  VariancePreserving,  // sample = alpha * original + sigma * noise with alpha^2 + sigma^2 = 1
  VarianceExploding,   // sample = original + sigma * noise
};

struct ModelCall {
  float timestep;        // what the model is told
  float signal, noise;   // add_noise: signal * original + noise * eps
  float input_divisor;   // model input = sample / input_divisor
  float alpha, sigma;    // of the sample the model sees: sample = alpha * original + sigma * eps
};

struct Schedule {
  SampleSpace space = SampleSpace::VariancePreserving;
  PredictionType prediction = PredictionType::Epsilon;
  int steps = 0;
  int order = 1;  // model calls of a full step
  float init_noise_sigma = 1;
  std::vector<ModelCall> calls;
  std::vector<float> sigmas;  // as in diffusers, ends with the final one; empty where diffusers has none
};

// Holds the history of one run over one picture or one batch (all arithmetic is elementwise, except dynamic
// thresholding, which takes the whole span as one picture). Not safe to share between threads.
class Sampler {
 public:
  virtual ~Sampler() = default;
  // A copy with its history, to resume from.
  virtual std::unique_ptr<Sampler> clone() const = 0;

  const Schedule& schedule() const { return schedule_; }
  std::span<const float> timesteps() const { return timesteps_; }
  int calls() const { return static_cast<int>(timesteps_.size()); }
  float init_noise_sigma() const { return schedule_.init_noise_sigma; }

  // The first call of image-to-image at `strength` in (0, 1]. Throws Error{InvalidArgument} when no step is left.
  int start_index(double strength) const;

  // Forgets the history; the next step is `index`, which is 0 or comes from start_index.
  void start(int index = 0);

  void scale_model_input(int i, std::span<const float> sample, std::span<float> out) const;

  // Replaces `sample` by the next one. Calls must follow each other: i = start, start + 1, ...
  void step(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource& noise);

  // `original` at the noise level of call i. `out` may be one of the inputs.
  void add_noise(int i, std::span<const float> original, std::span<const float> noise, std::span<float> out) const;

  // The picture that call i expects at the end (for previews), from the unscaled sample.
  void predict_original(int i, std::span<const float> model_output, std::span<const float> sample,
                        std::span<float> out) const;

 protected:
  explicit Sampler(Schedule schedule);
  Sampler(const Sampler&) = default;
  Sampler& operator=(const Sampler&) = delete;

  virtual void forget() {}
  virtual void advance(int i, std::span<const float> model_output, std::span<float> sample,
                       const NoiseSource& noise) = 0;
  float sigma(int index) const { return schedule_.sigmas[index]; }
  int start_call() const { return start_; }

 private:
  Schedule schedule_;
  std::vector<float> timesteps_;
  int start_ = 0, next_ = 0;
};

// x0 from the model's output. `out` may be `model_output`.
void denoise_preserving(PredictionType prediction, float alpha, float sigma, std::span<const float> model_output,
                        std::span<const float> sample, std::span<float> out);
void denoise_exploding(PredictionType prediction, float sigma, std::span<const float> model_output,
                       std::span<const float> sample, std::span<float> out);

}  // namespace nibble
