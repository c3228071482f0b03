#include "samplers/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/error.h"

namespace nibble {

Sampler::Sampler(Schedule schedule) : schedule_(std::move(schedule)) {
  NIBBLE_CHECK(!schedule_.calls.empty(), "a schedule needs a model call");
  for (const ModelCall& call : schedule_.calls) timesteps_.push_back(call.timestep);
}

int Sampler::start_index(double strength) const {
  if (!(strength > 0 && strength <= 1)) {
    fail(ErrorCode::InvalidArgument, "strength: want more than 0 and at most 1; found {}", strength);
  }
  const int steps = schedule_.steps, kept = std::min(static_cast<int>(steps * strength), steps);
  const int index = (steps - kept) * schedule_.order;
  if (kept == 0 || index >= calls()) {
    fail(ErrorCode::InvalidArgument, "strength {}: want at least one of {} steps; raise the strength or the steps",
         strength, steps);
  }
  return index;
}

void Sampler::start(int index) {
  NIBBLE_CHECK(index >= 0 && index < calls() && index % schedule_.order == 0, "start at call {} of {}", index, calls());
  start_ = next_ = index;
  forget();
}

void Sampler::scale_model_input(int i, std::span<const float> sample, std::span<float> out) const {
  NIBBLE_CHECK(i >= 0 && i < calls() && sample.size() == out.size());
  const float divisor = schedule_.calls[i].input_divisor;
  if (divisor == 1.0f) {
    std::copy(sample.begin(), sample.end(), out.begin());
    return;
  }
  for (size_t k = 0; k < out.size(); ++k) out[k] = sample[k] / divisor;
}

void Sampler::step(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource& noise) {
  NIBBLE_CHECK(i == next_ && i < calls(), "step {} after {}", i, next_ - 1);
  NIBBLE_CHECK(model_output.size() == sample.size(), "output {} sample {}", model_output.size(), sample.size());
  advance(i, model_output, sample, noise);
  ++next_;
}

void Sampler::add_noise(int i, std::span<const float> original, std::span<const float> noise,
                        std::span<float> out) const {
  NIBBLE_CHECK(i >= 0 && i < calls() && original.size() == out.size() && noise.size() == out.size());
  const ModelCall& call = schedule_.calls[i];
  for (size_t k = 0; k < out.size(); ++k) out[k] = call.signal * original[k] + call.noise * noise[k];
}

void Sampler::predict_original(int i, std::span<const float> model_output, std::span<const float> sample,
                               std::span<float> out) const {
  NIBBLE_CHECK(i >= 0 && i < calls() && sample.size() == out.size() && model_output.size() == out.size());
  const ModelCall& call = schedule_.calls[i];
  if (schedule_.space == SampleSpace::VarianceExploding) {
    denoise_exploding(schedule_.prediction, call.sigma, model_output, sample, out);
  } else {
    denoise_preserving(schedule_.prediction, call.alpha, call.sigma, model_output, sample, out);
  }
}

void denoise_preserving(PredictionType prediction, float alpha, float sigma, std::span<const float> model_output,
                        std::span<const float> sample, std::span<float> out) {
  switch (prediction) {
    case PredictionType::Epsilon:
      for (size_t k = 0; k < out.size(); ++k) out[k] = (sample[k] - sigma * model_output[k]) / alpha;
      break;
    case PredictionType::Sample:
      std::copy(model_output.begin(), model_output.end(), out.begin());
      break;
    case PredictionType::Velocity:
      for (size_t k = 0; k < out.size(); ++k) out[k] = alpha * sample[k] - sigma * model_output[k];
      break;
  }
}

void denoise_exploding(PredictionType prediction, float sigma, std::span<const float> model_output,
                       std::span<const float> sample, std::span<float> out) {
  switch (prediction) {
    case PredictionType::Epsilon:
      for (size_t k = 0; k < out.size(); ++k) out[k] = sample[k] - sigma * model_output[k];
      break;
    case PredictionType::Sample:
      std::copy(model_output.begin(), model_output.end(), out.begin());
      break;
    case PredictionType::Velocity: {
      const float variance = sigma * sigma + 1.0f, c_out = -sigma / std::sqrt(variance);
      for (size_t k = 0; k < out.size(); ++k) out[k] = model_output[k] * c_out + sample[k] / variance;
      break;
    }
  }
}

}  // namespace nibble
