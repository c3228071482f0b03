#include "samplers/registry.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"

namespace nibble {
namespace {

// Own defaults of the diffusers classes where they differ from SchedulerConfig's.
SchedulerConfig leading_defaults() {
  SchedulerConfig config;
  config.timestep_spacing = TimestepSpacing::Leading;
  return config;
}
SchedulerConfig common_defaults() { return {}; }

constexpr SamplerInfo kSamplers[] = {
    {.name = "ddim",
     .class_name = "DDIMScheduler",
     .title = "DDIM",
     .aliases = "",
     .help = "first order, eta for fresh noise; A1111 starts one timestep later and rounds its spacing differently",
     .order = 1,
     .random = false,
     .schedules = false,
     .algorithm = nullptr,
     .defaults = leading_defaults,
     .make = make_ddim},
    {.name = "euler",
     .class_name = "EulerDiscreteScheduler",
     .title = "Euler",
     .aliases = "k_euler",
     .help = "first order; A1111 has churn settings (off by default) and spaces timesteps from 999 down to 0",
     .order = 1,
     .random = false,
     .schedules = true,
     .algorithm = nullptr,
     .defaults = common_defaults,
     .make = make_euler},
};

struct ScheduleName {
  const char* name;
  SamplerOptions options;
};

const std::array<ScheduleName, 9>& schedule_names() {
  static const std::array<ScheduleName, 9> names = {{
      {"normal", {.schedule = SigmaSchedule::Normal}},
      {"uniform", {.schedule = SigmaSchedule::Normal}},
      {"automatic", {}},
      {"karras", {.schedule = SigmaSchedule::Karras}},
      {"exponential", {.schedule = SigmaSchedule::Exponential}},
      {"beta", {.schedule = SigmaSchedule::Beta}},
      {"lu", {.schedule = SigmaSchedule::Lu}},
      {"sgmuniform", {.schedule = SigmaSchedule::Normal, .spacing = TimestepSpacing::Trailing}},
      {"simple", {.schedule = SigmaSchedule::Normal, .spacing = TimestepSpacing::Trailing}},
  }};
  return names;
}

// "DPM++ 2M SDE" and "dpmpp_2m_sde" both become "dpmpp2msde".
std::string plain_name(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '+') out += 'p';
    if (std::isalnum(static_cast<unsigned char>(c))) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

bool has_alias(const SamplerInfo& info, const std::string& plain) {
  std::string_view rest = info.aliases;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    if (plain_name(rest.substr(0, comma)) == plain) return true;
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return false;
}

std::optional<SamplerChoice> match(const std::string& plain) {
  for (const SamplerInfo& info : kSamplers) {
    if (plain_name(info.class_name) == plain) return SamplerChoice{.info = &info, .by_class_name = true, .options = {}};
    if (plain_name(info.name) == plain || plain_name(info.title) == plain || has_alias(info, plain)) {
      return SamplerChoice{.info = &info, .by_class_name = false, .options = {}};
    }
  }
  return std::nullopt;
}

std::string listed_names() {
  std::string out;
  for (const SamplerInfo& info : kSamplers) out += (out.empty() ? "" : ", ") + std::string(info.name);
  return out;
}

// A class that several rows share (by algorithm_type) is shown under the row the configuration means.
void prefer_algorithm(SamplerChoice& choice, const Json& json) {
  const auto found = json.find("algorithm_type");
  if (found == json.end() || !found->is_string()) return;
  for (const SamplerInfo& info : kSamplers) {
    const bool same = std::string_view(info.class_name) == choice.info->class_name;
    if (same && info.algorithm != nullptr && found->get<std::string>() == info.algorithm) choice.info = &info;
  }
}

void apply_schedule(SigmaSchedule schedule, const SamplerInfo& info, SchedulerConfig& config) {
  const bool lu = std::string_view(info.class_name) == "DPMSolverMultistepScheduler";
  if (schedule != SigmaSchedule::Normal && (!info.schedules || (schedule == SigmaSchedule::Lu && !lu))) {
    fail(ErrorCode::Unsupported, "sampler {}: it has no such noise schedule; leave the schedule out or take dpmpp_2m",
         info.name);
  }
  config.use_karras_sigmas = schedule == SigmaSchedule::Karras;
  config.use_exponential_sigmas = schedule == SigmaSchedule::Exponential;
  config.use_beta_sigmas = schedule == SigmaSchedule::Beta;
  config.use_lu_lambdas = schedule == SigmaSchedule::Lu;
}

void apply(const SamplerOptions& options, const SamplerInfo& info, SamplerSettings& settings) {
  if (options.schedule) apply_schedule(*options.schedule, info, settings.config);
  if (options.spacing) settings.config.timestep_spacing = *options.spacing;
  if (options.prediction) settings.config.prediction_type = *options.prediction;
  if (options.zero_terminal_snr) settings.config.rescale_betas_zero_snr = *options.zero_terminal_snr;
  if (options.eta) settings.eta = options.eta;
}

}  // namespace

std::span<const SamplerInfo> sampler_table() { return kSamplers; }

SamplerOptions parse_sigma_schedule(std::string_view name) {
  const std::string plain = plain_name(name);
  for (const ScheduleName& row : schedule_names()) {
    if (plain == row.name) return row.options;
  }
  fail(ErrorCode::InvalidArgument,
       "schedule {}: want one of normal, karras, exponential, beta, sgm_uniform, simple, lu; found none of them", name);
}

SamplerChoice find_sampler(std::string_view name, const Json& scheduler_config) {
  std::string wanted(name);
  if (name.empty()) {
    if (!scheduler_config.is_object() || !scheduler_config.contains("_class_name") ||
        !scheduler_config["_class_name"].is_string()) {
      fail(ErrorCode::NotFound, "scheduler config: want a _class_name; found none; name a sampler: {}", listed_names());
    }
    wanted = scheduler_config["_class_name"].get<std::string>();
  }
  const std::string plain = plain_name(wanted);
  if (std::optional<SamplerChoice> choice = match(plain)) {
    if (choice->by_class_name && scheduler_config.is_object()) prefer_algorithm(*choice, scheduler_config);
    return *choice;
  }
  for (const ScheduleName& row : schedule_names()) {
    if (!plain.ends_with(row.name)) continue;
    std::optional<SamplerChoice> choice = match(plain.substr(0, plain.size() - std::string_view(row.name).size()));
    if (!choice) continue;
    choice->options = row.options;
    return *choice;
  }
  fail(ErrorCode::NotFound, "sampler {}: want one of {}", wanted, listed_names());
}

std::unique_ptr<Sampler> make_sampler(const Json& scheduler_config, std::string_view name, const SamplerOptions& options,
                                      int steps) {
  const SamplerChoice choice = find_sampler(name, scheduler_config);
  SamplerSettings settings{.config = read_scheduler_config(scheduler_config, choice.info->defaults()), .steps = steps, .eta = {}};
  if (!choice.by_class_name && choice.info->algorithm != nullptr) settings.config.algorithm_type = choice.info->algorithm;
  apply(choice.options, *choice.info, settings);
  apply(options, *choice.info, settings);
  return choice.info->make(settings);
}

}  // namespace nibble
