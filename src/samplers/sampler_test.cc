// What every sampler must do, whatever the reference says: orders of accuracy on a process with a known solution, the
// same run from any prediction type, copies that resume, noise only where announced.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"
#include "base/random.h"
#include "samplers/registry.h"

namespace nibble {
namespace {

const Json& stable_diffusion() {
  static const Json config = parse_json(R"({"_class_name": "PNDMScheduler", "beta_start": 0.00085, "beta_end": 0.012,
      "beta_schedule": "scaled_linear", "steps_offset": 1, "set_alpha_to_one": false, "skip_prk_steps": true,
      "clip_sample": false})", "test");
  return config;
}

std::vector<float> gaussian(uint64_t seed, size_t count) {
  std::vector<float> out(count);
  Generator(seed).randn(out);
  return out;
}

NoiseSource source(uint64_t seed) {
  return [generator = std::make_shared<Generator>(seed)](std::span<float> out) { generator->randn(out); };
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const SamplerInfo& info : sampler_table()) out.push_back(info.name);
  return out;
}

// Data x ~ N(kMean, kSpread^2): the best prediction of the original, and the path of the probability flow.
constexpr double kMean = 0.7, kSpread = 0.5;

double best_original(double x, const ModelCall& call) {
  const double variance = kSpread * kSpread;
  const double gain = call.alpha * variance / (call.alpha * call.alpha * variance + call.sigma * call.sigma);
  return kMean + gain * (x - call.alpha * kMean);
}

double exact_path(double x, const ModelCall& from, const ModelCall& to) {
  const auto deviation = [](const ModelCall& call) { return std::hypot(call.alpha * kSpread, double{call.sigma}); };
  return to.alpha * kMean + (x - from.alpha * kMean) * deviation(to) / deviation(from);
}

float model_output(PredictionType prediction, double x, const ModelCall& call) {
  const double original = best_original(x, call), epsilon = (x - call.alpha * original) / call.sigma;
  if (prediction == PredictionType::Sample) return static_cast<float>(original);
  if (prediction == PredictionType::Epsilon) return static_cast<float>(epsilon);
  const double scale = std::hypot(double{call.alpha}, double{call.sigma});
  return static_cast<float>((call.alpha * epsilon - call.sigma * original) / scale);
}

// Runs to the last but `left` calls.
std::vector<float> run(Sampler& sampler, std::vector<float> x, int from, int left, const NoiseSource& noise) {
  std::vector<float> output(x.size());
  for (int i = from; i < sampler.calls() - left; ++i) {
    for (size_t k = 0; k < x.size(); ++k) {
      output[k] = model_output(sampler.schedule().prediction, x[k], sampler.schedule().calls[i]);
    }
    sampler.step(i, output, x, noise);
  }
  return x;
}

// The largest error at the level of the last call (each schedule ends at the same one for any number of steps).
double path_error(std::string_view name, const SamplerOptions& options, const Json& config, int steps) {
  const auto sampler = make_sampler(config, name, options, steps);
  const ModelCall &first = sampler->schedule().calls.front(), &last = sampler->schedule().calls.back();
  const std::vector<double> starts{-1.0, 0.5, 2.0};
  std::vector<float> x;
  const double deviation = std::hypot(double{first.alpha} * kSpread, double{first.sigma});
  for (const double start : starts) x.push_back(static_cast<float>(start * deviation));
  const std::vector<float> begun = x;
  x = run(*sampler, x, 0, 1, [](std::span<float>) { FAIL() << "a deterministic sampler drew noise"; });
  double worst = 0;
  for (size_t k = 0; k < x.size(); ++k) worst = std::max(worst, std::fabs(x[k] - exact_path(begun[k], first, last)));
  return worst;
}

struct Order {
  const char* name;
  const char* schedule;
  int steps;         // and twice as many
  double order;      // of the global error
  int solver_order;  // 0: the default
};

class OrderOfAccuracy : public testing::TestWithParam<Order> {};

TEST_P(OrderOfAccuracy, ErrorFallsAsItShould) {
  const Order& row = GetParam();
  Json config = stable_diffusion();
  config["timestep_spacing"] = "leading";
  if (row.solver_order > 0) config["solver_order"] = row.solver_order;
  const SamplerOptions options = parse_sigma_schedule(row.schedule);
  const double coarse = path_error(row.name, options, config, row.steps);
  const double fine = path_error(row.name, options, config, 2 * row.steps);
  const double found = std::log2(coarse / fine);
  std::printf("%-10s %-12s order %d: error %.2e at %d steps, %.2e at %d: falls with power %.2f\n", row.name,
              row.schedule, row.solver_order, coarse, row.steps, fine, 2 * row.steps, found);
  EXPECT_GT(found, row.order - 0.35);
  EXPECT_GT(fine, 0);
}

// Multistep solvers begin with a first-order step, whose error is of second order: LMS and DPM++ 2M of order 3 reach
// their own order only where later errors outweigh it. UniPC's corrector adds one to the order.
INSTANTIATE_TEST_SUITE_P(
    All, OrderOfAccuracy,
    testing::Values(Order{"euler", "karras", 20, 1, 0}, Order{"heun", "karras", 20, 2, 0},
                    Order{"dpm2", "exponential", 20, 2, 0}, Order{"lms", "karras", 20, 3, 0},
                    Order{"dpmpp_2m", "exponential", 20, 1, 1}, Order{"dpmpp_2m", "exponential", 20, 2, 2},
                    Order{"dpmpp_2m", "exponential", 20, 2, 3}, Order{"unipc", "exponential", 10, 2, 1},
                    Order{"unipc", "exponential", 20, 3, 2}, Order{"ddim", "normal", 25, 1, 0},
                    Order{"pndm", "normal", 100, 2, 0}),
    [](const auto& test) {
      return fmt::format("{}{}_{}", test.param.name, test.param.solver_order, test.param.schedule);
    });

class EachSampler : public testing::TestWithParam<std::string> {};

TEST_P(EachSampler, PredictsTheOriginalFromAnyPrediction) {
  for (const char* prediction : {"epsilon", "sample", "v_prediction"}) {
    SamplerOptions options;
    options.prediction = parse_prediction_type(prediction);
    const auto sampler = make_sampler(stable_diffusion(), GetParam(), options, 8);
    for (int i = 0; i < sampler->calls(); ++i) {
      const ModelCall& call = sampler->schedule().calls[i];
      const float x = static_cast<float>(call.alpha * kMean + 1.3 * call.sigma);
      const std::vector<float> output{model_output(*options.prediction, x, call)}, sample{x};
      std::vector<float> original(1);
      sampler->predict_original(i, output, sample, original);
      // Rounding of x and of the output, over alpha.
      const double limit = 4e-7 * (std::fabs(x) + call.sigma) / call.alpha;
      EXPECT_NEAR(original[0], best_original(x, call), limit) << prediction << i;
    }
  }
}

TEST_P(EachSampler, RunsAlikeFromAnyPrediction) {
  const bool pndm = GetParam() == "pndm";
  std::vector<std::vector<float>> ends;
  const std::vector<float> noise = gaussian(5, 12);
  for (const char* prediction : {"epsilon", "sample", "v_prediction"}) {
    SamplerOptions options;
    options.prediction = parse_prediction_type(prediction);
    const auto sampler = make_sampler(stable_diffusion(), GetParam(), options, pndm ? 100 : 10);
    std::vector<float> x = noise;
    for (float& value : x) value *= sampler->init_noise_sigma();
    ends.push_back(run(*sampler, std::move(x), 0, 0, source(9)));
  }
  // Each call's output is rounded once (2^-24), and what it means for the original grows by sigma / alpha, at most 15.
  // PNDM mixes outputs of several calls before turning them into noise, so it differs by its own error too.
  const double limit = pndm ? 0.02 : 2e-4;
  for (size_t k = 0; k < noise.size(); ++k) {
    EXPECT_NEAR(ends[0][k], ends[1][k], limit);
    EXPECT_NEAR(ends[0][k], ends[2][k], limit);
    EXPECT_TRUE(std::isfinite(ends[0][k]));
  }
}

TEST_P(EachSampler, EndsNearTheData) {
  const auto sampler = make_sampler(stable_diffusion(), GetParam(), {}, 40);
  std::vector<float> x = gaussian(3, 4000);
  for (float& value : x) value *= sampler->init_noise_sigma();
  x = run(*sampler, std::move(x), 0, 0, source(4));
  double mean = 0, square = 0;
  for (const float value : x) mean += value / static_cast<double>(x.size());
  for (const float value : x) square += (value - mean) * (value - mean) / static_cast<double>(x.size());
  // Consistency models' samplers and TCD jump to the mean of the data each step and keep less of its spread.
  const bool distilled = GetParam() == "lcm" || GetParam() == "tcd";
  EXPECT_NEAR(mean, kMean, 0.1);
  EXPECT_NEAR(std::sqrt(square), kSpread, distilled ? 0.5 : 0.1);
}

TEST_P(EachSampler, CopyResumes) {
  const auto sampler = make_sampler(stable_diffusion(), GetParam(), {}, 9);
  for (const int cut : {1, 2, 5}) {
    std::vector<float> x = gaussian(7, 20);
    sampler->start(0);
    std::vector<std::vector<float>> draws;
    const NoiseSource fresh = [&, i = 0](std::span<float> out) mutable {
      const std::vector<float> drawn = gaussian(static_cast<uint64_t>(100 + i++), out.size());
      std::copy(drawn.begin(), drawn.end(), out.begin());
    };
    std::vector<float> part = run(*sampler, x, 0, sampler->calls() - cut, source(1));
    const auto copy = sampler->clone();
    EXPECT_EQ(run(*sampler, part, cut, 0, fresh), run(*copy, part, cut, 0, [&, i = 0](std::span<float> out) mutable {
                const std::vector<float> drawn = gaussian(static_cast<uint64_t>(100 + i++), out.size());
                std::copy(drawn.begin(), drawn.end(), out.begin());
              }));
  }
}

TEST_P(EachSampler, StartForgets) {
  const auto sampler = make_sampler(stable_diffusion(), GetParam(), {}, 6);
  const std::vector<float> x = gaussian(7, 20);
  const std::vector<float> first = run(*sampler, x, 0, 0, source(2));
  sampler->start(0);
  EXPECT_EQ(run(*sampler, x, 0, 0, source(2)), first);
  const int late = sampler->start_index(0.5);
  EXPECT_EQ(late, 3 * sampler->schedule().order);
  sampler->start(late);
  EXPECT_TRUE(std::isfinite(run(*sampler, x, late, 0, source(2))[0]));
}

TEST_P(EachSampler, ScalesInputAndAddsNoiseToTheSameLevel) {
  const auto sampler = make_sampler(stable_diffusion(), GetParam(), {}, 10);
  for (int i = 0; i < sampler->calls(); i += sampler->schedule().order) {
    const ModelCall& call = sampler->schedule().calls[i];
    const std::vector<float> original{0.4f}, noise{-1.2f};
    std::vector<float> noisy(1), input(1);
    sampler->add_noise(i, original, noise, noisy);
    sampler->scale_model_input(i, noisy, input);
    const double scale = std::hypot(double{call.alpha}, double{call.sigma});
    EXPECT_NEAR(input[0], (call.alpha * 0.4 - call.sigma * 1.2) / scale, 1e-6);
  }
}

TEST_P(EachSampler, DrawsNoiseOnlyIfItSaysSo) {
  const auto sampler = make_sampler(stable_diffusion(), GetParam(), {}, 5);
  int draws = 0;
  run(*sampler, gaussian(1, 4), 0, 0, [&](std::span<float> out) {
    ++draws;
    std::fill(out.begin(), out.end(), 0.0f);
  });
  for (const SamplerInfo& info : sampler_table()) {
    if (info.name == GetParam()) {
      EXPECT_EQ(draws > 0, info.random);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EachSampler, testing::ValuesIn(names()), [](const auto& test) { return test.param; });

}  // namespace
}  // namespace nibble
