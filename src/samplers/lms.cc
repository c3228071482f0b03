// LMS: linear multistep of order 4 over sigma (k-diffusion's sample_lms): the polynomial through the last slopes,
// integrated.
#include <algorithm>
#include <cmath>

#include "samplers/betas.h"
#include "samplers/samplers.h"
#include "samplers/schedule.h"

namespace nibble {
namespace {

constexpr int kOrder = 4;

Schedule lms_schedule(const SchedulerConfig& config, int steps) {
  const SigmaTable table = make_sigma_table(make_alphas_cumprod(config, ZeroSnr::Ignored));
  const SigmaPlan plan = make_sigma_plan(config, table, steps, Rounding::Float32, Bounds::Ignored);
  const std::vector<float> sigmas = with_final_sigma(plan.sigmas, 0.0f);
  return exploding_schedule(config, steps, 1, plan.timesteps, sigmas, sigmas);
}

class Lms final : public Sampler {
 public:
  explicit Lms(const SamplerSettings& settings) : Sampler(lms_schedule(settings.config, settings.steps)) {}

  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Lms>(*this); }

 protected:
  void forget() override { slopes_.clear(); }

  void advance(int i, std::span<const float> model_output, std::span<float> sample, const NoiseSource&) override {
    std::vector<float> slope(sample.size());
    denoise_exploding(schedule().prediction, sigma(i), model_output, sample, slope);
    for (size_t k = 0; k < sample.size(); ++k) slope[k] = (sample[k] - slope[k]) / sigma(i);
    slopes_.insert(slopes_.begin(), std::move(slope));
    if (slopes_.size() > kOrder) slopes_.pop_back();

    // After a late start (image-to-image) the order counts the steps before it, though their slopes are missing, as in
    // diffusers.
    const int order = std::min(i + 1, kOrder);
    const int used = std::min(order, static_cast<int>(slopes_.size()));
    std::vector<float> change(sample.size(), 0.0f);
    for (int j = 0; j < used; ++j) {
      const float weight = static_cast<float>(coefficient(i, order, j));
      for (size_t k = 0; k < sample.size(); ++k) change[k] += weight * slopes_[j][k];
    }
    for (size_t k = 0; k < sample.size(); ++k) sample[k] += change[k];
  }

 private:
  // The integral from sigma(i) to sigma(i + 1) of the Lagrange polynomial that is 1 at sigma(i - j) and 0 at the other
  // `order` levels; three Gauss-Legendre nodes are exact to degree 5.
  double coefficient(int i, int order, int j) const {
    constexpr double kNodes[] = {-0.77459666924148337704, 0.0, 0.77459666924148337704};
    constexpr double kWeights[] = {5.0 / 9, 8.0 / 9, 5.0 / 9};
    const double from = sigma(i), to = sigma(i + 1), half = (to - from) / 2, center = (to + from) / 2;
    double sum = 0;
    for (int n = 0; n < 3; ++n) {
      const double x = center + half * kNodes[n];
      double product = kWeights[n];
      for (int m = 0; m < order; ++m) {
        if (m != j) product *= (x - sigma(i - m)) / (static_cast<double>(sigma(i - j)) - sigma(i - m));
      }
      sum += product;
    }
    return sum * half;
  }

  std::vector<std::vector<float>> slopes_;  // newest first
};

}  // namespace

std::unique_ptr<Sampler> make_lms(const SamplerSettings& settings) { return std::make_unique<Lms>(settings); }

}  // namespace nibble
