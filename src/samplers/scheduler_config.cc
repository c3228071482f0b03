#include "samplers/scheduler_config.h"

#include <cmath>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace nibble {
namespace {

template <typename T>
using Names = std::span<const std::pair<std::string_view, T>>;

constexpr std::pair<std::string_view, BetaSchedule> kBetaSchedules[] = {
    {"linear", BetaSchedule::Linear},
    {"scaled_linear", BetaSchedule::ScaledLinear},
    {"squaredcos_cap_v2", BetaSchedule::SquaredCosine},
    {"exp", BetaSchedule::Exponential},
    {"sigmoid", BetaSchedule::Sigmoid},
    {"laplace", BetaSchedule::Laplace},
};
constexpr std::pair<std::string_view, PredictionType> kPredictionTypes[] = {
    {"epsilon", PredictionType::Epsilon},
    {"sample", PredictionType::Sample},
    {"v_prediction", PredictionType::Velocity},
};
constexpr std::pair<std::string_view, TimestepSpacing> kSpacings[] = {
    {"leading", TimestepSpacing::Leading},
    {"trailing", TimestepSpacing::Trailing},
    {"linspace", TimestepSpacing::Linspace},
};
constexpr std::pair<std::string_view, FinalSigma> kFinalSigmas[] = {
    {"zero", FinalSigma::Zero},
    {"sigma_min", FinalSigma::SigmaMin},
};
constexpr std::pair<std::string_view, bool> kTimestepTypes[] = {{"discrete", false}, {"continuous", true}};

template <typename T>
T parse_name(const char* what, std::string_view text, Names<T> names) {
  std::string choices;
  for (const auto& [name, value] : names) {
    if (name == text) return value;
    choices += choices.empty() ? "" : ", ";
    choices += name;
  }
  fail(ErrorCode::InvalidArgument, "{}: want one of {}; found {}", what, choices, text);
}

class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {
    if (!json.is_object()) fail(ErrorCode::Corrupt, "scheduler config: want a JSON object; found {}", json.type_name());
  }

  bool has(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }

  void read(const char* key, bool& out) const {
    if (!has(key)) return;
    if (!json_[key].is_boolean()) wrong(key, "true or false");
    out = json_[key].get<bool>();
  }
  void read(const char* key, double& out) const {
    if (!has(key)) return;
    if (!json_[key].is_number()) wrong(key, "a number");
    out = json_[key].get<double>();
  }
  void read(const char* key, std::optional<double>& out) const {
    if (!has(key)) return;
    double value = 0;
    read(key, value);
    if (!(value > 0)) wrong(key, "a positive number");
    out = value;
  }
  void read(const char* key, std::string& out) const {
    if (!has(key)) return;
    if (!json_[key].is_string()) wrong(key, "a string");
    out = json_[key].get<std::string>();
  }
  void read(const char* key, int& out, int low, int high) const {
    if (!has(key)) return;
    double value = 0;
    read(key, value);
    if (!(value >= low && value <= high) || value != std::floor(value)) {
      wrong(key, format("a whole number {} to {}", low, high));
    }
    out = static_cast<int>(value);
  }
  template <typename T, size_t N>
  void read(const char* key, T& out, const std::pair<std::string_view, T> (&names)[N]) const {
    std::string text;
    read(key, text);
    if (!text.empty()) out = parse_name<T>(key, text, names);
  }
  template <typename T>
  void read_list(const char* key, std::vector<T>& out) const {
    if (!has(key)) return;
    if (!json_[key].is_array()) wrong(key, "a list of numbers");
    out.clear();
    for (const Json& item : json_[key]) {
      if (std::is_integral_v<T> ? !item.is_number_integer() : !item.is_number()) wrong(key, "a list of numbers");
      out.push_back(item.get<T>());
    }
  }
  void refuse(const char* key) const {
    bool on = false;
    read(key, on);
    if (!on) return;
    fail(ErrorCode::Unsupported, "scheduler config: {} is for flow-matching models, which no sampler here serves", key);
  }

 private:
  [[noreturn]] void wrong(const char* key, const std::string& want) const {
    fail(ErrorCode::Corrupt, "scheduler config: {}: want {}; found {}", key, want, json_[key].dump().substr(0, 40));
  }

  const Json& json_;
};

void read_betas(const Reader& reader, SchedulerConfig& config) {
  reader.read("num_train_timesteps", config.num_train_timesteps, 1, 100000);
  reader.read("beta_start", config.beta_start);
  reader.read("beta_end", config.beta_end);
  reader.read("beta_schedule", config.beta_schedule, kBetaSchedules);
  reader.read_list("trained_betas", config.trained_betas);
  reader.read("rescale_betas_zero_snr", config.rescale_betas_zero_snr);
  const size_t count = config.trained_betas.size();
  if (count != 0 && count != static_cast<size_t>(config.num_train_timesteps)) {
    fail(ErrorCode::Corrupt, "scheduler config: trained_betas: want {} values (num_train_timesteps); found {}",
         config.num_train_timesteps, count);
  }
}

void read_schedule(const Reader& reader, SchedulerConfig& config) {
  reader.read("prediction_type", config.prediction_type, kPredictionTypes);
  reader.read("timestep_spacing", config.timestep_spacing, kSpacings);
  reader.read("steps_offset", config.steps_offset, 0, 100000);
  reader.read("use_karras_sigmas", config.use_karras_sigmas);
  reader.read("use_exponential_sigmas", config.use_exponential_sigmas);
  reader.read("use_beta_sigmas", config.use_beta_sigmas);
  reader.read("use_lu_lambdas", config.use_lu_lambdas);
  reader.read("sigma_min", config.sigma_min);
  reader.read("sigma_max", config.sigma_max);
  reader.read("final_sigmas_type", config.final_sigmas_type, kFinalSigmas);
  reader.read("interpolation_type", config.interpolation_type);
  reader.read("timestep_type", config.continuous_timesteps, kTimestepTypes);
  reader.refuse("use_flow_sigmas");
  reader.refuse("use_dynamic_shifting");
}

void read_solver(const Reader& reader, SchedulerConfig& config) {
  reader.read("clip_sample", config.clip_sample);
  reader.read("clip_sample_range", config.clip_sample_range);
  reader.read("thresholding", config.thresholding);
  reader.read("dynamic_thresholding_ratio", config.dynamic_thresholding_ratio);
  reader.read("sample_max_value", config.sample_max_value);
  reader.read("set_alpha_to_one", config.set_alpha_to_one);
  reader.read("variance_type", config.variance_type);
  reader.read("skip_prk_steps", config.skip_prk_steps);
  reader.read("solver_order", config.solver_order, 1, 3);
  reader.read("algorithm_type", config.algorithm_type);
  reader.read("solver_type", config.solver_type);
  reader.read("lower_order_final", config.lower_order_final);
  reader.read("euler_at_final", config.euler_at_final);
  reader.read("lambda_min_clipped", config.lambda_min_clipped);
  reader.read("predict_x0", config.predict_x0);
  reader.read_list("disable_corrector", config.disable_corrector);
  reader.read("original_inference_steps", config.original_inference_steps, 1, 100000);
  reader.read("timestep_scaling", config.timestep_scaling);
}

}  // namespace

SchedulerConfig::SchedulerConfig() : lambda_min_clipped(-std::numeric_limits<double>::infinity()) {}

SigmaSchedule SchedulerConfig::sigma_schedule() const {
  if (use_karras_sigmas + use_exponential_sigmas + use_beta_sigmas > 1) {
    fail(ErrorCode::InvalidArgument,
         "scheduler config: want at most one of use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas");
  }
  if (use_karras_sigmas) return SigmaSchedule::Karras;
  if (use_lu_lambdas) return SigmaSchedule::Lu;
  if (use_exponential_sigmas) return SigmaSchedule::Exponential;
  return use_beta_sigmas ? SigmaSchedule::Beta : SigmaSchedule::Normal;
}

SchedulerConfig read_scheduler_config(const Json& json, SchedulerConfig config) {
  const Reader reader(json);
  reader.read("_class_name", config.class_name);
  read_betas(reader, config);
  read_schedule(reader, config);
  read_solver(reader, config);
  return config;
}

BetaSchedule parse_beta_schedule(std::string_view text) {
  return parse_name<BetaSchedule>("beta schedule", text, kBetaSchedules);
}
PredictionType parse_prediction_type(std::string_view text) {
  return parse_name<PredictionType>("prediction type", text, kPredictionTypes);
}
TimestepSpacing parse_timestep_spacing(std::string_view text) {
  return parse_name<TimestepSpacing>("timestep spacing", text, kSpacings);
}

}  // namespace nibble
