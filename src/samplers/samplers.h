// The constructors of all samplers, one file each; the registry's rows name them.
#pragma once

#include <memory>

#include "samplers/sampler.h"

namespace nibble {

struct SamplerSettings {
  SchedulerConfig config;
  int steps = 20;
  std::optional<double> eta;  // DDIM (0) and TCD (0.3): share of fresh noise
};

std::unique_ptr<Sampler> make_pndm(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_ddim(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_ddpm(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_euler(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_euler_ancestral(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_heun(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_dpm2(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_dpm2_ancestral(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_dpmpp_2m(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_dpmpp_sde(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_unipc(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_lms(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_lcm(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_tcd(const SamplerSettings& settings);

}  // namespace nibble
