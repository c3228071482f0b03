// UniPC: Zhao et al. 2023, "UniPC: A Unified Predictor-Corrector Framework", with B1(h) = h or B2(h) = exp(h) - 1.
// The corrector reuses the next step's model call, so a step costs one call.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "samplers/betas.h"
#include "samplers/constrain.h"
#include "samplers/multistep.h"
#include "samplers/samplers.h"

namespace nibble {
namespace {

// Gaussian elimination with partial pivoting; `a` is row-major, n by n, n at most 3.
std::vector<float> solve(std::vector<float> a, std::vector<float> b) {
  const size_t n = b.size();
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < n; ++row) {
      if (std::fabs(a[row * n + column]) > std::fabs(a[pivot * n + column])) pivot = row;
    }
    std::swap_ranges(&a[pivot * n], &a[pivot * n] + n, &a[column * n]);
    std::swap(b[pivot], b[column]);
    for (size_t row = column + 1; row < n; ++row) {
      const float factor = a[row * n + column] / a[column * n + column];
      for (size_t k = column; k < n; ++k) a[row * n + k] -= factor * a[column * n + k];
      b[row] -= factor * b[column];
    }
  }
  for (size_t row = n; row-- > 0;) {
    for (size_t k = row + 1; k < n; ++k) b[row] -= a[row * n + k] * b[k];
    b[row] /= a[row * n + row];
  }
  return b;
}

bool parse_first_kind(const std::string& type) {
  for (const char* second : {"", "bh2", "midpoint", "heun", "logrho"}) {
    if (type == second) return false;
  }
  if (type == "bh1") return true;
  fail(ErrorCode::InvalidArgument, "solver_type: want bh1 or bh2; found {}", type);
}

// One step from `from` to `to`; ratios[j] = (lambda of the point j + 1 before `from` - lambda of `from`) / h.
struct Move {
  LogSnr from, to;
  float exponential, scale;  // expm1(h') and B(h'), h' = -h when originals are predicted
  std::vector<float> ratios;
  std::vector<float> moments;  // right-hand side b of eq. 12
};

class Unipc final : public Sampler {
 public:
  Unipc(const SamplerSettings& settings, std::span<const float> alphas)
      : Sampler(multistep_schedule(settings.config, settings.steps, alphas, {.last_of_spread = true})),
        config_(settings.config),
        first_kind_(parse_first_kind(settings.config.solver_type)) {}

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Unipc>(*this); }

 protected:
  void forget() override {
    outputs_.clear();
    last_sample_.clear();
    order_ = 0;
  }

  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource&) override {
    std::vector<float> output = convert(i, model_output, sample);
    if (!last_sample_.empty() && corrects(i - 1)) correct(i, output, sample);
    outputs_.insert(outputs_.begin(), std::move(output));
    if (outputs_.size() > static_cast<size_t>(config_.solver_order)) outputs_.pop_back();

    const int allowed = config_.lower_order_final ? std::min(config_.solver_order, calls() - i) : config_.solver_order;
    order_ = sigma(i + 1) == 0 ? 1 : std::min(allowed, static_cast<int>(outputs_.size()));
    last_sample_.assign(sample.begin(), sample.end());
    predict(i, sample);
  }

 private:
  bool corrects(int i) const {
    const std::vector<int>& off = config_.disable_corrector;
    return std::find(off.begin(), off.end(), i) == off.end();
  }

  std::vector<float> convert(int i, std::span<const float> model_output, std::span<const float> sample) const {
    const ModelCall& call = schedule().calls[i];
    std::vector<float> out(sample.size());
    if (!config_.predict_x0) {
      predict_noise(config_.prediction_type, call.alpha, call.sigma, model_output, sample, out);
      return out;
    }
    denoise_preserving(config_.prediction_type, call.alpha, call.sigma, model_output, sample, out);
    if (config_.thresholding) dynamic_threshold(out, config_.dynamic_thresholding_ratio, config_.sample_max_value);
    return out;
  }

  // The move from level `from` to the next one, whose history starts at `from`.
  Move plan(int from, int order) const {
    Move move{.from = log_snr(sigma(from)), .to = log_snr(sigma(from + 1))};
    const float h = move.to.lambda - move.from.lambda, signed_h = config_.predict_x0 ? -h : h;
    move.exponential = std::expm1(signed_h);
    move.scale = first_kind_ ? signed_h : move.exponential;
    for (int j = 1; j < order; ++j) move.ratios.push_back((log_snr(sigma(from - j)).lambda - move.from.lambda) / h);
    float phi = move.exponential / signed_h - 1.0f, factorial = 1;
    for (int j = 1; j <= order; ++j) {
      move.moments.push_back(phi * factorial / move.scale);
      factorial *= static_cast<float>(j + 1);
      phi = phi / signed_h - 1.0f / factorial;
    }
    return move;
  }

  // Solves sum_j r_j^(k-1) rho_j = b_k over the given points (the last of the corrector's is 1, the new point).
  static std::vector<float> combine(std::vector<float> points, std::span<const float> moments) {
    const size_t n = points.size();
    std::vector<float> rows(n * n, 1.0f);
    for (size_t k = 1; k < n; ++k) {
      for (size_t j = 0; j < n; ++j) rows[k * n + j] = rows[(k - 1) * n + j] * points[j];
    }
    return solve(std::move(rows), {moments.begin(), moments.begin() + static_cast<ptrdiff_t>(n)});
  }

  void predict(int i, std::span<float> sample) const {
    const Move move = plan(i, order_);
    std::vector<float> rho(move.ratios.size(), 0.5f);
    if (order_ > 2) rho = combine(move.ratios, move.moments);
    std::vector<float> rest(sample.size(), 0.0f);
    if (order_ > 1) add_differences(move, rho, rest);
    apply(move, sample, rest, sample);
  }

  void correct(int i, std::span<const float> output, std::span<float> sample) const {
    const Move move = plan(i - 1, order_);
    std::vector<float> points = move.ratios, rho{0.5f};
    points.push_back(1.0f);
    if (order_ > 1) rho = combine(points, move.moments);
    std::vector<float> rest(sample.size(), 0.0f);
    add_differences(move, rho, rest);
    for (size_t k = 0; k < rest.size(); ++k) rest[k] += rho.back() * (output[k] - outputs_[0][k]);
    apply(move, last_sample_, rest, sample);
  }

  void add_differences(const Move& move, std::span<const float> rho, std::span<float> rest) const {
    for (size_t j = 0; j < move.ratios.size(); ++j) {
      for (size_t k = 0; k < rest.size(); ++k) {
        rest[k] += rho[j] * ((outputs_[j + 1][k] - outputs_[0][k]) / move.ratios[j]);
      }
    }
  }

  // Eq. 3 (noise) or its data-prediction form: `base` moved by the newest output, corrected by `rest`.
  void apply(const Move& move, std::span<const float> base, std::span<const float> rest, std::span<float> out) const {
    const bool x0 = config_.predict_x0;
    const float keep = x0 ? move.to.sigma / move.from.sigma : move.to.alpha / move.from.alpha;
    const float level = x0 ? move.to.alpha : move.to.sigma;
    const bool to_zero = std::isinf(move.to.lambda);  // B1 is infinite there, and the order is 1
    const float linear = level * move.exponential, higher = to_zero ? 0.0f : level * move.scale;
    for (size_t k = 0; k < out.size(); ++k) out[k] = keep * base[k] - linear * outputs_[0][k] - higher * rest[k];
  }

  SchedulerConfig config_;
  bool first_kind_;
  int order_ = 0;                            // of the last prediction
  std::vector<std::vector<float>> outputs_;  // newest first, at most solver_order
  std::vector<float> last_sample_;           // where the last prediction started
};

}  // namespace

std::unique_ptr<Sampler> make_unipc(const SamplerSettings& settings) {
  return std::make_unique<Unipc>(settings, make_alphas_cumprod(settings.config, ZeroSnr::Floored));
}

}  // namespace nibble
