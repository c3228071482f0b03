#include "samplers/registry.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "base/error.h"

namespace nibble {
namespace {

Json object(const char* text) { return parse_json(text, "test"); }

std::string found(std::string_view name, const Json& config = Json::object()) {
  return find_sampler(name, config).info->name;
}

ErrorCode code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::Internal;
}

TEST(Registry, RowsAreComplete) {
  std::set<std::string> names;
  EXPECT_EQ(sampler_table().size(), 15u);
  for (const SamplerInfo& info : sampler_table()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_GT(std::string(info.help).size(), 20u);
    EXPECT_EQ(make_sampler(Json::object(), info.name, {}, 8)->schedule().order, info.order) << info.name;
  }
}

TEST(Registry, FindsEveryKindOfName) {
  for (const SamplerInfo& info : sampler_table()) {
    EXPECT_EQ(found(info.name), info.name);
    EXPECT_EQ(found(info.title), info.name);
  }
  EXPECT_EQ(found("DPM++ 2M"), "dpmpp_2m");
  EXPECT_EQ(found("dpm++ 2m sde"), "dpmpp_2m_sde");
  EXPECT_EQ(found("Euler A"), "euler_a");
  EXPECT_EQ(found("euler_ancestral"), "euler_a");
  EXPECT_EQ(found("uni_pc"), "unipc");
  EXPECT_EQ(found("KDPM2DiscreteScheduler"), "dpm2");
  EXPECT_EQ(found("DPMSolverMultistepScheduler"), "dpmpp_2m");
  EXPECT_EQ(found("DPMSolverMultistepScheduler", object(R"({"algorithm_type": "sde-dpmsolver++"})")), "dpmpp_2m_sde");
  EXPECT_EQ(found("", object(R"({"_class_name": "LCMScheduler"})")), "lcm");
}

TEST(Registry, NameImpliesSchedule) {
  const SamplerChoice karras = find_sampler("DPM++ 2M SDE Karras", Json::object());
  EXPECT_STREQ(karras.info->name, "dpmpp_2m_sde");
  EXPECT_EQ(karras.options.schedule, SigmaSchedule::Karras);
  const SamplerChoice sgm = find_sampler("Euler SGM Uniform", Json::object());
  EXPECT_STREQ(sgm.info->name, "euler");
  EXPECT_EQ(sgm.options.spacing, TimestepSpacing::Trailing);
  const auto named = make_sampler(Json::object(), "DPM++ 2M Karras", {}, 7);
  SamplerOptions options;
  options.schedule = SigmaSchedule::Karras;
  EXPECT_EQ(named->schedule().sigmas, make_sampler(Json::object(), "dpmpp_2m", options, 7)->schedule().sigmas);
  EXPECT_NE(named->schedule().sigmas, make_sampler(Json::object(), "dpmpp_2m", {}, 7)->schedule().sigmas);
}

TEST(Registry, ShortNameDecidesTheAlgorithm) {
  const Json sde = object(R"({"algorithm_type": "sde-dpmsolver++"})");
  int draws = 0;
  const NoiseSource count = [&](std::span<float>) { ++draws; };
  std::vector<float> x(4, 1.0f), output(4, 0.5f);
  make_sampler(sde, "dpmpp_2m", {}, 4)->step(0, output, x, count);
  EXPECT_EQ(draws, 0);
  make_sampler(sde, "DPMSolverMultistepScheduler", {}, 4)->step(0, output, x, count);
  make_sampler(Json::object(), "dpmpp_2m_sde", {}, 4)->step(0, output, x, count);
  EXPECT_EQ(draws, 2);
}

TEST(Registry, RefusesWhatItCannotDo) {
  const Json none = Json::object();
  EXPECT_EQ(code_of([&] { make_sampler(none, "eular", {}, 4); }), ErrorCode::NotFound);
  EXPECT_EQ(code_of([&] { make_sampler(none, "", {}, 4); }), ErrorCode::NotFound);
  EXPECT_EQ(code_of([&] { make_sampler(none, "euler_a karras", {}, 4); }), ErrorCode::Unsupported);
  EXPECT_EQ(code_of([&] { make_sampler(none, "euler lu", {}, 4); }), ErrorCode::Unsupported);
  EXPECT_EQ(code_of([&] { parse_sigma_schedule("cubic"); }), ErrorCode::InvalidArgument);
  for (const SamplerInfo& info : sampler_table()) {
    for (const int steps : {-3, 0, 1001}) {
      EXPECT_EQ(code_of([&] { make_sampler(none, info.name, {}, steps); }), ErrorCode::InvalidArgument) << info.name;
    }
  }
  EXPECT_EQ(code_of([&] { make_sampler(none, "lcm", {}, 51); }), ErrorCode::InvalidArgument);
  SamplerOptions options;
  options.eta = 2.0;
  EXPECT_EQ(code_of([&] { make_sampler(none, "ddim", options, 4); }), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of([&] { make_sampler(none, "euler", {}, 10)->start_index(0.05); }), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of([&] { make_sampler(none, "euler", {}, 10)->start_index(1.5); }), ErrorCode::InvalidArgument);
}

TEST(Registry, RefusesBadConfigurations) {
  const std::pair<const char*, ErrorCode> cases[] = {
      {R"([1])", ErrorCode::Corrupt},
      {R"({"num_train_timesteps": "many"})", ErrorCode::Corrupt},
      {R"({"num_train_timesteps": 1e12})", ErrorCode::Corrupt},
      {R"({"num_train_timesteps": 0})", ErrorCode::Corrupt},
      {R"({"steps_offset": 0.5})", ErrorCode::Corrupt},
      {R"({"beta_start": []})", ErrorCode::Corrupt},
      {R"({"beta_schedule": "cubic"})", ErrorCode::InvalidArgument},
      {R"({"beta_end": 7})", ErrorCode::InvalidArgument},
      {R"({"prediction_type": "flow_prediction"})", ErrorCode::InvalidArgument},
      {R"({"use_flow_sigmas": true})", ErrorCode::Unsupported},
      {R"({"trained_betas": [0.1, 0.2]})", ErrorCode::Corrupt},
      {R"({"trained_betas": ["a"]})", ErrorCode::Corrupt},
      {R"({"sigma_min": -1})", ErrorCode::Corrupt},
      {R"({"solver_order": 9})", ErrorCode::Corrupt},
      {R"({"disable_corrector": [1e300]})", ErrorCode::Corrupt},
      {R"({"solver_type": "rk45"})", ErrorCode::InvalidArgument},
      {R"({"use_karras_sigmas": true, "use_beta_sigmas": true})", ErrorCode::InvalidArgument},
      {R"({"num_train_timesteps": 1, "rescale_betas_zero_snr": true})", ErrorCode::InvalidArgument},
  };
  for (const auto& [text, code] : cases) {
    const Json config = object(text);
    EXPECT_EQ(code_of([&] { make_sampler(config, "unipc", {}, 1); }), code) << text;
  }
}

TEST(Registry, IgnoresWhatTheClassDoesNotKnow) {
  const Json config = object(R"({"use_karras_sigmas": true, "solver_order": 3, "anything": {}, "sigma_min": null})");
  const auto plain = make_sampler(Json::object(), "euler_a", {}, 6), other = make_sampler(config, "euler_a", {}, 6);
  EXPECT_EQ(plain->schedule().sigmas, other->schedule().sigmas);
}

}  // namespace
}  // namespace nibble
