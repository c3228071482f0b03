#include "samplers/registry.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"

namespace nibble {
namespace {

// Own defaults of the diffusers classes where they differ from SchedulerConfig's.
SchedulerConfig common_defaults() { return {}; }
SchedulerConfig leading_defaults() {
  SchedulerConfig config;
  config.timestep_spacing = TimestepSpacing::Leading;
  return config;
}
SchedulerConfig pndm_defaults() {
  SchedulerConfig config = leading_defaults();
  config.set_alpha_to_one = false;
  return config;
}
SchedulerConfig k_diffusion_defaults() {
  SchedulerConfig config;
  config.beta_start = 0.00085;
  config.beta_end = 0.012;
  config.clip_sample = false;
  return config;
}
SchedulerConfig distilled_defaults() {
  SchedulerConfig config = k_diffusion_defaults();
  config.beta_schedule = BetaSchedule::ScaledLinear;
  return config;
}

constexpr SamplerInfo kSamplers[] = {
    {.name = "pndm",
     .class_name = "PNDMScheduler",
     .title = "PNDM",
     .aliases = "plms",
     .help = "Stable Diffusion 1's own: linear multistep of order 4; A1111's PLMS always uses leading spacing "
             "with offset 1",
     .order = 1,
     .random = false,
     .schedules = false,
     .algorithm = nullptr,
     .defaults = pndm_defaults,
     .make = make_pndm},
    {.name = "ddim",
     .class_name = "DDIMScheduler",
     .title = "DDIM",
     .aliases = "",
     .help = "first order, --eta adds fresh noise; A1111 always uses leading spacing with offset 1 and ends at "
             "timestep 0's level",
     .order = 1,
     .random = false,
     .schedules = false,
     .algorithm = nullptr,
     .defaults = leading_defaults,
     .make = make_ddim},
    {.name = "ddpm",
     .class_name = "DDPMScheduler",
     .title = "DDPM",
     .aliases = "",
     .help = "first order with the training process's own noise; not in A1111",
     .order = 1,
     .random = true,
     .schedules = false,
     .algorithm = nullptr,
     .defaults = leading_defaults,
     .make = make_ddpm},
    {.name = "euler",
     .class_name = "EulerDiscreteScheduler",
     .title = "Euler",
     .aliases = "k_euler, euler_discrete",
     .help = "first order; A1111 spaces timesteps evenly from 999 to 0 whatever the model says and interpolates "
             "log sigma",
     .order = 1,
     .random = false,
     .schedules = true,
     .algorithm = nullptr,
     .defaults = common_defaults,
     .make = make_euler},
    {.name = "euler_a",
     .class_name = "EulerAncestralDiscreteScheduler",
     .title = "Euler a",
     .aliases = "euler_ancestral, k_euler_a, euler_ancestral_discrete",
     .help = "Euler with fresh noise each step; A1111 spaces as for Euler and draws its noise from another stream",
     .order = 1,
     .random = true,
     .schedules = false,
     .algorithm = nullptr,
     .defaults = common_defaults,
     .make = make_euler_ancestral},
    {.name = "heun",
     .class_name = "HeunDiscreteScheduler",
     .title = "Heun",
     .aliases = "k_heun, heun_discrete",
     .help = "second order, two model calls a step; A1111 spaces as for Euler",
     .order = 2,
     .random = false,
     .schedules = true,
     .algorithm = nullptr,
     .defaults = k_diffusion_defaults,
     .make = make_heun},
    {.name = "dpm2",
     .class_name = "KDPM2DiscreteScheduler",
     .title = "DPM2",
     .aliases = "k_dpm_2, dpm_2",
     .help = "second order with a midpoint in log sigma, two model calls a step; A1111 leaves out the last level "
             "but one",
     .order = 2,
     .random = false,
     .schedules = true,
     .algorithm = nullptr,
     .defaults = k_diffusion_defaults,
     .make = make_dpm2},
    {.name = "dpm2_a",
     .class_name = "KDPM2AncestralDiscreteScheduler",
     .title = "DPM2 a",
     .aliases = "k_dpm_2_a, dpm_2_ancestral, dpm2_ancestral",
     .help = "DPM2 with fresh noise each step; A1111 leaves out the last level but one and draws other noise",
     .order = 2,
     .random = true,
     .schedules = true,
     .algorithm = nullptr,
     .defaults = k_diffusion_defaults,
     .make = make_dpm2_ancestral},
    {.name = "dpmpp_2m",
     .class_name = "DPMSolverMultistepScheduler",
     .title = "DPM++ 2M",
     .aliases = "dpmsolver++, k_dpmpp_2m",
     .help = "second order from the last two outputs; A1111 takes Karras levels unless told otherwise and keeps "
             "timestep 0",
     .order = 1,
     .random = false,
     .schedules = true,
     .algorithm = "dpmsolver++",
     .defaults = common_defaults,
     .make = make_dpmpp_2m},
    {.name = "dpmpp_2m_sde",
     .class_name = "DPMSolverMultistepScheduler",
     .title = "DPM++ 2M SDE",
     .aliases = "sde-dpmsolver++, k_dpmpp_2m_sde",
     .help = "DPM++ 2M with fresh noise each step; A1111 draws a Brownian path and takes exponential levels "
             "unless told otherwise",
     .order = 1,
     .random = true,
     .schedules = true,
     .algorithm = "sde-dpmsolver++",
     .defaults = common_defaults,
     .make = make_dpmpp_2m},
    {.name = "dpmpp_sde",
     .class_name = "DPMSolverSDEScheduler",
     .title = "DPM++ SDE",
     .aliases = "k_dpmpp_sde",
     .help = "second order, two model calls and two draws of noise a step; A1111 (and diffusers) draw from a "
             "torchsde tree",
     .order = 2,
     .random = true,
     .schedules = true,
     .algorithm = nullptr,
     .defaults = k_diffusion_defaults,
     .make = make_dpmpp_sde},
    {.name = "unipc",
     .class_name = "UniPCMultistepScheduler",
     .title = "UniPC",
     .aliases = "uni_pc, uni_pc_bh2",
     .help = "predictor and corrector of order 2 at one model call a step; A1111 takes order 3 and B1",
     .order = 1,
     .random = false,
     .schedules = true,
     .algorithm = nullptr,
     .defaults = common_defaults,
     .make = make_unipc},
    {.name = "lms",
     .class_name = "LMSDiscreteScheduler",
     .title = "LMS",
     .aliases = "k_lms, lms_discrete",
     .help = "linear multistep of order 4 over sigma; A1111 spaces as for Euler",
     .order = 1,
     .random = false,
     .schedules = true,
     .algorithm = nullptr,
     .defaults = common_defaults,
     .make = make_lms},
    {.name = "lcm",
     .class_name = "LCMScheduler",
     .title = "LCM",
     .aliases = "latent_consistency",
     .help = "for LCM-distilled models, 1 to 8 steps; A1111 always assumes 50 original steps and draws other noise",
     .order = 1,
     .random = true,
     .schedules = false,
     .algorithm = nullptr,
     .defaults = distilled_defaults,
     .make = make_lcm},
    {.name = "tcd",
     .class_name = "TCDScheduler",
     .title = "TCD",
     .aliases = "",
     .help = "for TCD-distilled models; --eta (0.3) is its gamma; not in A1111",
     .order = 1,
     .random = true,
     .schedules = false,
     .algorithm = nullptr,
     .defaults = distilled_defaults,
     .make = make_tcd},
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
    const auto code = static_cast<unsigned char>(c);
    if (std::isalnum(code)) out += static_cast<char>(std::tolower(code));
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

std::unique_ptr<Sampler> make_sampler(const Json& scheduler_config, std::string_view name,
                                      const SamplerOptions& options, int steps) {
  const SamplerChoice choice = find_sampler(name, scheduler_config);
  SamplerSettings settings;
  settings.config = read_scheduler_config(scheduler_config, choice.info->defaults());
  settings.steps = steps;
  if (!choice.by_class_name && choice.info->algorithm != nullptr) {
    settings.config.algorithm_type = choice.info->algorithm;
  }
  apply(choice.options, *choice.info, settings);
  apply(options, *choice.info, settings);
  return choice.info->make(settings);
}

}  // namespace nibble
