// PNDM: Liu et al. 2022, "Pseudo Numerical Methods for Diffusion Models on Manifolds": linear multistep (algorithm 2),
// with the paper's Runge-Kutta start or, as Stable Diffusion uses it (skip_prk_steps), with the second timestep called
// twice.
#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/error.h"
#include "samplers/betas.h"
#include "samplers/samplers.h"
#include "samplers/schedule.h"

namespace nibble {
namespace {

constexpr int kRungeKuttaSteps = 4;
constexpr int kRungeKuttaCalls = 12;

// `spaced` runs from noisy to clean, as do all lists here.
std::vector<double> multistep_calls(const std::vector<double>& spaced) {
  std::vector<double> out(spaced.begin(), spaced.end());
  if (out.size() > 1) out.insert(out.begin() + 1, spaced[1]);
  return out;
}

std::vector<double> runge_kutta_calls(const std::vector<double>& spaced, int stride) {
  if (spaced.size() < kRungeKuttaSteps) {
    fail(ErrorCode::InvalidArgument, "steps: PNDM with its Runge-Kutta start needs at least {}; found {}",
         kRungeKuttaSteps, spaced.size());
  }
  std::vector<double> out;
  for (int step = 0; step + 1 < kRungeKuttaSteps; ++step) {
    const double middle = spaced[step + 1] + stride / 2;
    out.insert(out.end(), {spaced[step], middle, middle, spaced[step + 1]});
  }
  out.insert(out.end(), spaced.begin() + kRungeKuttaSteps - 1, spaced.end());
  return out;
}

Schedule pndm_schedule(const SchedulerConfig& config, int steps, std::span<const float> alphas) {
  check_steps(config, steps);
  const std::vector<double> spaced = spaced_timesteps(config, steps, Rounding::Whole);
  const std::vector<double> calls =
      config.skip_prk_steps ? multistep_calls(spaced) : runge_kutta_calls(spaced, config.num_train_timesteps / steps);
  return preserving_schedule(config, steps, calls, alphas);
}

class Pndm final : public Sampler {
 public:
  Pndm(const SamplerSettings& settings, std::vector<float> alphas)
      : Sampler(pndm_schedule(settings.config, settings.steps, alphas)),
        config_(settings.config),
        stride_(settings.config.num_train_timesteps / settings.steps),
        alphas_(std::move(alphas)) {}

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Pndm>(*this); }

 protected:
  void forget() override {
    count_ = 0;
    history_.clear();
    mixed_.clear();
    held_.clear();
  }

  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource&) override {
    const int timestep = static_cast<int>(timesteps()[i]);
    if (!config_.skip_prk_steps && count_ < kRungeKuttaCalls) {
      runge_kutta(timestep, model_output, sample);
    } else {
      multistep(timestep, model_output, sample);
    }
    ++count_;
  }

 private:
  void runge_kutta(int timestep, std::span<const float> output, std::span<float> sample) {
    const int phase = count_ % 4;
    const float weight = static_cast<float>(phase == 0 || phase == 3 ? 1.0 / 6 : 1.0 / 3);
    if (phase == 0) {
      history_.emplace_back(output.begin(), output.end());
      held_.assign(sample.begin(), sample.end());
      mixed_.assign(sample.size(), 0.0f);
    }
    for (size_t k = 0; k < sample.size(); ++k) mixed_[k] += weight * output[k];
    const int previous = timestep - (count_ % 2 == 0 ? stride_ / 2 : 0);
    const int from = static_cast<int>(timesteps()[count_ / 4 * 4]);
    std::copy(held_.begin(), held_.end(), sample.begin());
    move(from, previous, phase == 3 ? std::span<const float>(mixed_) : output, sample);
  }

  void multistep(int timestep, std::span<const float> output, std::span<float> sample) {
    int previous = timestep - stride_;
    if (count_ == 1) {
      NIBBLE_CHECK(!history_.empty(), "the second call needs the first");
      previous = timestep;
      timestep += stride_;
    } else {
      if (history_.size() == kRungeKuttaSteps) history_.erase(history_.begin());
      history_.emplace_back(output.begin(), output.end());
    }
    mixed_.assign(output.begin(), output.end());
    if (count_ == 0) {
      held_.assign(sample.begin(), sample.end());
    } else if (count_ == 1) {
      for (size_t k = 0; k < mixed_.size(); ++k) mixed_[k] = (mixed_[k] + history_[0][k]) / 2.0f;
      std::copy(held_.begin(), held_.end(), sample.begin());
    } else {
      mix_history();
    }
    move(timestep, previous, mixed_, sample);
  }

  // Adams-Bashforth weights of order 2, 3 and 4.
  void mix_history() {
    const size_t count = history_.size();
    const float* a = history_[count - 1].data();
    const float* b = count > 1 ? history_[count - 2].data() : nullptr;
    const float* c = count > 2 ? history_[count - 3].data() : nullptr;
    const float* d = count > 3 ? history_[count - 4].data() : nullptr;
    constexpr float kLast = static_cast<float>(1.0 / 24);
    for (size_t k = 0; k < mixed_.size(); ++k) {
      if (count == 2) mixed_[k] = (3.0f * a[k] - b[k]) / 2.0f;
      if (count == 3) mixed_[k] = (23.0f * a[k] - 16.0f * b[k] + 5.0f * c[k]) / 12.0f;
      if (count == 4) mixed_[k] = kLast * (55.0f * a[k] - 59.0f * b[k] + 37.0f * c[k] - 9.0f * d[k]);
    }
  }

  float product(int timestep) const {
    if (timestep < 0) return config_.set_alpha_to_one ? 1.0f : alphas_[0];
    if (timestep >= static_cast<int>(alphas_.size())) {
      fail(ErrorCode::InvalidArgument, "timestep {}: want 0 to {}; take another spacing or fewer steps", timestep,
           alphas_.size() - 1);
    }
    return alphas_[timestep];
  }

  // Eq. 9 of the paper, from one timestep to an earlier one.
  void move(int timestep, int previous, std::span<const float> output, std::span<float> sample) const {
    const float from = product(timestep), to = product(previous), beta_from = 1.0f - from, beta_to = 1.0f - to;
    const float alpha = std::sqrt(from), sigma = std::sqrt(beta_from);
    const float keep = std::sqrt(to / from), difference = to - from;
    const float denominator = from * std::sqrt(beta_to) + std::sqrt(from * beta_from * to);
    for (size_t k = 0; k < sample.size(); ++k) {
      float epsilon = output[k];
      if (config_.prediction_type == PredictionType::Velocity) epsilon = alpha * output[k] + sigma * sample[k];
      if (config_.prediction_type == PredictionType::Sample) epsilon = (sample[k] - alpha * output[k]) / sigma;
      sample[k] = keep * sample[k] - difference * epsilon / denominator;
    }
  }

  SchedulerConfig config_;
  int stride_;
  std::vector<float> alphas_;
  int count_ = 0;
  std::vector<std::vector<float>> history_;  // newest last
  std::vector<float> mixed_, held_;
};

}  // namespace

std::unique_ptr<Sampler> make_pndm(const SamplerSettings& settings) {
  return std::make_unique<Pndm>(settings, make_alphas_cumprod(settings.config, ZeroSnr::Ignored));
}

}  // namespace nibble
