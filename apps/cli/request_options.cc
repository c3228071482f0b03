#include "apps/cli/request_options.h"

#include <charconv>

#include "base/error.h"

namespace nibble::cli {

void add_request_options(CLI::App& c, RequestOptions& o) {
  GenerateRequest& r = o.request;
  c.add_option("--vae", o.vae, "Another autoencoder: a folder or file (AutoencoderKL, TAESD)");
  c.add_option("--steps", r.steps, "Denoising steps [the model's habit: 20, or 1 to 4 for distilled models]")->check(CLI::Range(1, 1000));
  c.add_option("--guidance,--cfg", o.guidance, "Classifier-free guidance scale; 1 or less: none, twice as fast [7.5, SDXL 5, Turbo 0]");
  c.add_option("--guidance-rescale", r.guidance_rescale, "Against over-exposure at high guidance, 0 to 1 [0]");
  c.add_option("--width", r.width, "Pixels, a multiple of 8 [the model's training size]");
  c.add_option("--height", r.height, "Pixels, a multiple of 8");
  c.add_option("--sampler", r.sampler, "Sampler by our, diffusers' or A1111's name [the checkpoint's own]; list below");
  c.add_option("--schedule", o.schedule, "Noise levels: normal, karras, exponential, beta, sgm_uniform");
  c.add_option("--spacing", o.spacing, "Time steps: leading, trailing, linspace [the checkpoint's]");
  c.add_option("--prediction", o.prediction, "epsilon, v_prediction, sample [the checkpoint's]");
  c.add_option("--eta", o.eta, "Fresh noise per step of ddim and tcd, 0 to 1 [0]")->check(CLI::Range(0.0, 1.0));
  c.add_flag("--zero-terminal-snr", o.zero_terminal_snr, "Rescale the noise schedule to end in pure noise (Lin et al. 2023)");
  c.add_option("--clip-skip", r.clip_skip, "Leave out this many of the text encoder's last layers; plain syntax: for the prompt only, as diffusers [0]")->check(CLI::Range(0, 64));
  c.add_option("--precision", o.precision, "Arithmetic between layers: f32, or bf16, which halves the buffers and is faster where the\n"
               "processor multiplies it [f32]")->check(CLI::IsMember({"f32", "bf16"}));
  c.add_option("--attention", o.attention,
               "Products of the denoiser's attention: float, int8 (queries and keys as bytes: little error), int8-values (weights and\n"
               "values too: faster, more error) [float]")
      ->check(CLI::IsMember(attention_form_names()));
  c.add_option("--guidance-mode", o.guidance_mode, "batched (faster), sequential (less memory), auto; the same picture")
      ->check(CLI::IsMember({"auto", "batched", "sequential"}));
  c.add_option("--vae-tiles,--vae-tiling", o.vae_tiles,
               "Decode in strips, for less memory, more time and the same picture: auto (as --memory needs), off, on, or how many [auto]");
  c.add_option("--memory", o.memory, "Limit for weights and buffers, e.g. 3GB; refused with the figures where a stage cannot keep it");
}

namespace {

int64_t parse_vae_tiles(const std::string& text) {
  if (text.empty() || text == "auto") return 0;
  if (text == "off") return 1;
  if (text == "on") return -1;
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > 8192)
    fail(ErrorCode::InvalidArgument, "--vae-tiles {}: want auto, off, on or a number from 1 to 8192", text);
  return count;
}

}  // namespace

GenerateRequest finished_request(const RequestOptions& o) {
  GenerateRequest r = o.request;
  if (o.guidance >= 0) r.guidance = o.guidance;
  if (!o.precision.empty()) r.precision = dtype_from_name(o.precision).value_or(DType::F64);
  r.attention = attention_form_from_name(o.attention).value_or(AttentionForm::Float);
  r.guidance_mode = o.guidance_mode == "batched"      ? GuidanceMode::Batched
                    : o.guidance_mode == "sequential" ? GuidanceMode::Sequential
                                                      : GuidanceMode::Auto;
  r.vae_tiles = parse_vae_tiles(o.vae_tiles);
  if (!o.memory.empty()) r.memory_limit = parse_bytes(o.memory);
  if (!o.schedule.empty()) r.sampler_options = parse_sigma_schedule(o.schedule);
  if (!o.spacing.empty()) r.sampler_options.spacing = parse_timestep_spacing(o.spacing);
  if (!o.prediction.empty()) r.sampler_options.prediction = parse_prediction_type(o.prediction);
  if (o.eta >= 0) r.sampler_options.eta = o.eta;
  if (o.zero_terminal_snr) r.sampler_options.zero_terminal_snr = true;
  return r;
}

std::string sampler_list() {
  std::string text = "Samplers (--sampler), each made from the checkpoint's scheduler config; diffusers' arithmetic:\n";
  for (const SamplerInfo& row : sampler_table()) text += format("  {:<16} {:<18} {}\n", row.name, row.title, row.help);
  return text;
}

}  // namespace nibble::cli
