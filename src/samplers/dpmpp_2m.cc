// DPM-Solver and DPM-Solver++, multistep, as an ODE or an SDE, order 1 to 3: Lu et al. 2022, arXiv 2206.00927 and
// 2211.01095.
// DPM++ 2M is algorithm_type "dpmsolver++" of order 2, DPM++ 2M SDE is "sde-dpmsolver++".
#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "samplers/betas.h"
#include "samplers/constrain.h"
#include "samplers/multistep.h"
#include "samplers/samplers.h"

namespace nibble {
namespace {

enum class Algorithm { Ode, OdePlus, Sde, SdePlus };

Algorithm parse_algorithm(const SchedulerConfig& config) {
  const std::string& type = config.algorithm_type;
  if (type == "dpmsolver++" || type == "deis") return Algorithm::OdePlus;
  if (type == "sde-dpmsolver++") return Algorithm::SdePlus;
  if (type != "dpmsolver" && type != "sde-dpmsolver") {
    fail(ErrorCode::InvalidArgument,
         "algorithm_type: want dpmsolver, dpmsolver++, sde-dpmsolver or sde-dpmsolver++; found {}", type);
  }
  if (config.final_sigmas_type == FinalSigma::Zero) {
    fail(ErrorCode::InvalidArgument, "algorithm_type {}: want final_sigmas_type sigma_min; found zero", type);
  }
  return type == "dpmsolver" ? Algorithm::Ode : Algorithm::Sde;
}

bool parse_heun(const std::string& type) {
  for (const char* midpoint : {"", "midpoint", "logrho", "bh1", "bh2"}) {
    if (type == midpoint) return false;
  }
  if (type == "heun") return true;
  fail(ErrorCode::InvalidArgument, "solver_type: want midpoint or heun; found {}", type);
}

// next = keep * sample + d[0] * D0 + d[1] * D1 + d[2] * D2 + noise * fresh noise, with D0 the newest model output and
// D1, D2 its differences in lambda.
struct Weights {
  float keep = 0, noise = 0;
  std::array<float, 3> d{};
};

struct Span {
  LogSnr from, to;
  float h;  // the step in lambda
};

Weights ode_weights(const Span& s, bool plus, int order, bool heun) {
  const float h = plus ? -s.h : s.h, e = std::exp(h) - 1.0f, scale = plus ? s.to.alpha : s.to.sigma;
  Weights w{.keep = plus ? s.to.sigma / s.from.sigma : s.to.alpha / s.from.alpha, .d = {-(scale * e), 0, 0}};
  if (order == 2 && !heun) {
    w.d[1] = -(0.5f * (scale * e));
  } else if (order >= 2) {
    w.d[1] = plus ? scale * (e / s.h + 1.0f) : -(scale * (e / s.h - 1.0f));
  }
  if (order == 3) w.d[2] = -(scale * ((e - h) / (s.h * s.h) - 0.5f));
  return w;
}

Weights sde_plus_weights(const Span& s, int order, bool heun) {
  const float decay = std::exp(-2.0f * s.h), e = 1.0f - decay;
  Weights w{.keep = s.to.sigma / s.from.sigma * std::exp(-s.h),
            .noise = s.to.sigma * std::sqrt(e),
            .d = {s.to.alpha * e, 0, 0}};
  if (order == 2 && !heun) {
    w.d[1] = 0.5f * (s.to.alpha * e);
  } else if (order >= 2) {
    w.d[1] = s.to.alpha * (e / (-2.0f * s.h) + 1.0f);
  }
  const float twice = 2.0f * s.h;
  if (order == 3) w.d[2] = s.to.alpha * ((e - twice) / (twice * twice) - 0.5f);
  return w;
}

Weights sde_weights(const Span& s, int order, bool heun) {
  const float e = std::exp(s.h) - 1.0f;
  Weights w{.keep = s.to.alpha / s.from.alpha,
            .noise = s.to.sigma * std::sqrt(std::exp(2.0f * s.h) - 1.0f),
            .d = {-(2.0f * (s.to.sigma * e)), 0, 0}};
  if (order == 2) w.d[1] = heun ? -(2.0f * (s.to.sigma * (e / s.h - 1.0f))) : -(s.to.sigma * e);
  return w;
}

class Dpmpp2m final : public Sampler {
 public:
  Dpmpp2m(const SamplerSettings& settings, std::span<const float> alphas)
      : Sampler(multistep_schedule(settings.config, settings.steps, alphas,
                                   {.clip_lambda = true, .keep_cosine_times = true})),
        config_(settings.config),
        algorithm_(parse_algorithm(settings.config)),
        heun_(parse_heun(settings.config.solver_type)) {
    if (algorithm_ == Algorithm::Sde && config_.solver_order > 2) {
      fail(ErrorCode::Unsupported, "solver_order: want 1 or 2 with sde-dpmsolver; found {}", config_.solver_order);
    }
    if (config_.variance_type.starts_with("learned")) {
      fail(ErrorCode::Unsupported, "variance_type: want none; found {}", config_.variance_type);
    }
  }

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Dpmpp2m>(*this); }

 protected:
  void forget() override { outputs_.clear(); }

  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource& noise) override {
    remember(i, model_output, sample);
    if (stochastic()) {
      noise_.resize(sample.size());
      noise(noise_);
    }
    const LogSnr from = log_snr(sigma(i)), to = log_snr(sigma(i + 1));
    const Span span{.from = from, .to = to, .h = to.lambda - from.lambda};
    const int order = order_at(i);
    const Weights w = weights(span, order);
    differences(i, order, span);
    for (size_t k = 0; k < sample.size(); ++k) {
      float next = w.keep * sample[k] + w.d[0] * outputs_[0][k];
      if (order >= 2) next += w.d[1] * first_[k];
      if (order >= 3) next += w.d[2] * second_[k];
      if (stochastic()) next += w.noise * noise_[k];
      sample[k] = next;
    }
  }

 private:
  bool plus() const { return algorithm_ == Algorithm::OdePlus || algorithm_ == Algorithm::SdePlus; }
  bool stochastic() const { return algorithm_ == Algorithm::Sde || algorithm_ == Algorithm::SdePlus; }

  Weights weights(const Span& span, int order) const {
    if (algorithm_ == Algorithm::SdePlus) return sde_plus_weights(span, order, heun_);
    if (algorithm_ == Algorithm::Sde) return sde_weights(span, order, heun_);
    return ode_weights(span, plus(), order, heun_);
  }

  int order_at(int i) const {
    constexpr int kFew = 15;
    const bool few = calls() < kFew;
    const bool last = i == calls() - 1 && (config_.euler_at_final || (config_.lower_order_final && few) ||
                                           config_.final_sigmas_type == FinalSigma::Zero);
    const bool second_last = i == calls() - 2 && config_.lower_order_final && few;
    const int known = static_cast<int>(outputs_.size());
    if (config_.solver_order == 1 || known < 2 || last) return 1;
    return config_.solver_order == 2 || known < 3 || second_last ? 2 : 3;
  }

  // Stores the output as the original (plus) or as the noise.
  void remember(int i, std::span<const float> model_output, std::span<const float> sample) {
    const ModelCall& call = schedule().calls[i];
    std::vector<float> out(sample.size());
    if (plus()) {
      denoise_preserving(config_.prediction_type, call.alpha, call.sigma, model_output, sample, out);
      if (config_.thresholding) dynamic_threshold(out, config_.dynamic_thresholding_ratio, config_.sample_max_value);
    } else {
      predict_noise(config_.prediction_type, call.alpha, call.sigma, model_output, sample, out);
      if (config_.thresholding) threshold_noise(call, sample, out);
    }
    outputs_.insert(outputs_.begin(), std::move(out));
    if (outputs_.size() > static_cast<size_t>(config_.solver_order)) outputs_.pop_back();
  }

  void threshold_noise(const ModelCall& call, std::span<const float> sample, std::span<float> epsilon) const {
    denoise_preserving(PredictionType::Epsilon, call.alpha, call.sigma, epsilon, sample, epsilon);
    dynamic_threshold(epsilon, config_.dynamic_thresholding_ratio, config_.sample_max_value);
    predict_noise(PredictionType::Sample, call.alpha, call.sigma, epsilon, sample, epsilon);
  }

  // D1 and D2 of DPM-Solver-3 (eq. B.10 there).
  void differences(int i, int order, const Span& span) {
    if (order < 2) return;
    const LogSnr before = log_snr(sigma(i - 1));
    const float h0 = span.from.lambda - before.lambda, r0 = h0 / span.h, inverse0 = 1.0f / r0;
    const size_t size = outputs_[0].size();
    first_.resize(size);
    for (size_t k = 0; k < size; ++k) first_[k] = inverse0 * (outputs_[0][k] - outputs_[1][k]);
    if (order < 3) return;
    const float r1 = (before.lambda - log_snr(sigma(i - 2)).lambda) / span.h, inverse1 = 1.0f / r1;
    const float mix = r0 / (r0 + r1), curve = 1.0f / (r0 + r1);
    second_.resize(size);
    for (size_t k = 0; k < size; ++k) {
      const float change = first_[k] - inverse1 * (outputs_[1][k] - outputs_[2][k]);
      first_[k] += mix * change;
      second_[k] = curve * change;
    }
  }

  SchedulerConfig config_;
  Algorithm algorithm_;
  bool heun_;
  std::vector<std::vector<float>> outputs_;  // newest first, at most solver_order
  std::vector<float> first_, second_, noise_;
};

}  // namespace

std::unique_ptr<Sampler> make_dpmpp_2m(const SamplerSettings& settings) {
  return std::make_unique<Dpmpp2m>(settings, make_alphas_cumprod(settings.config, ZeroSnr::Floored));
}

}  // namespace nibble
