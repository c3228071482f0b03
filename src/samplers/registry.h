// All samplers by name, and the one way to make one: from the checkpoint's scheduler_config.json.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "samplers/sampler.h"
#include "samplers/samplers.h"

namespace nibble {

struct SamplerInfo {
  const char* name;        // of the command line: "dpmpp_2m"
  const char* class_name;  // of diffusers: "DPMSolverMultistepScheduler"
  const char* title;       // of A1111: "DPM++ 2M"
  const char* aliases;     // more names, separated by commas
  const char* help;        // what it is, and where A1111's own implementation differs
  int order;               // model calls for each step
  bool random;             // draws noise while it runs
  bool schedules;          // takes Karras, exponential and beta noise levels
  const char* algorithm;   // algorithm_type that the name implies; null: the configuration's
  SchedulerConfig (*defaults)();
  std::unique_ptr<Sampler> (*make)(const SamplerSettings& settings);
};

std::span<const SamplerInfo> sampler_table();

// What a user may ask for beyond the configuration; empty fields leave the configuration's values.
struct SamplerOptions {
  std::optional<SigmaSchedule> schedule;
  std::optional<TimestepSpacing> spacing;
  std::optional<PredictionType> prediction;
  std::optional<bool> zero_terminal_snr;  // rescale_betas_zero_snr
  std::optional<double> eta;              // DDIM, TCD
};

struct SamplerChoice {
  const SamplerInfo* info;
  bool by_class_name;      // then the configuration's algorithm_type counts, not the row's
  SamplerOptions options;  // what the name itself implies: "DPM++ 2M Karras"
};

// Any name of a row, ignoring case and punctuation, with a schedule's name behind it if wanted. An empty name means the
// configuration's own "_class_name". Throws Error{NotFound} listing the names.
SamplerChoice find_sampler(std::string_view name, const Json& scheduler_config);

// "normal", "karras", "exponential", "beta", "sgm_uniform", "simple", "lu" (and A1111's spelling of them); sgm_uniform
// and simple mean trailing spacing, as diffusers documents them. Throws Error{InvalidArgument}.
SamplerOptions parse_sigma_schedule(std::string_view name);

// X.from_config(config) of diffusers with `options` on top. `scheduler_config` is the parsed scheduler_config.json, or
// an empty object for the class's defaults. Throws Error{Unsupported} for an option the sampler does not know.
std::unique_ptr<Sampler> make_sampler(const Json& scheduler_config, std::string_view name,
                                      const SamplerOptions& options, int steps);

}  // namespace nibble
