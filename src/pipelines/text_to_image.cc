#include "pipelines/text_to_image.h"

#include <chrono>
#include <random>

#include "base/check.h"
#include "base/random.h"
#include "image/resize.h"
#include "image/convert.h"
#include "pipelines/parameters.h"
#include "pipelines/stages.h"
#include "samplers/guidance.h"
#include "samplers/registry.h"

namespace nibble {
namespace {

class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> took = now - start_;
    start_ = now;
    return took.count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Everything one call of generate() shares between its pictures.
class Run {
 public:
  Run(Context& context, const LoadedModel& model, const GenerateRequest& request)
      : context_(context),
        model_(model),
        request_(request),
        resolved_(resolve(model, request)),
        latent_{model.vae.latent_channels, resolved_.height / model.vae.factor, resolved_.width / model.vae.factor} {}

  void all(const GenerateCallbacks& callbacks) {
    Stopwatch watch;
    conditioning_ = encode_prompts(context_, model_, request_, resolved_.guided);
    seconds_.text = watch.lap();
    if (callbacks.on_conditioning) callbacks.on_conditioning(conditioning_);
    if (!conditioning_.cut.empty())
      context_.say(LogLevel::Warning, format("prompt: cut at the model's limit; left out: \"{}\"", conditioning_.cut));
    sizes_ = model_.sdxl ? size_conditioning(model_, resolved_.width, resolved_.height, resolved_.guided) : Tensor();
    plan_denoiser();
    seconds_.load = watch.lap();
    // All pictures are denoised before the first is decoded, unless a preview needs both parts at once.
    std::vector<std::vector<float>> latents;
    for (int i = 0; i < request_.count; ++i) latents.push_back(denoise(i, callbacks));
    denoiser_->release();
    denoiser_.reset();
    if (!callbacks.on_image) return;
    decoder();
    for (int i = 0; i < request_.count; ++i) finish(i, latents[static_cast<size_t>(i)], callbacks);
  }

 private:
  bool batched() const { return batch_ == 2; }

  void plan_denoiser() {
    const int64_t tokens = conditioning_.text.dim(1);
    const auto plan = [&](int64_t batch) {
      denoiser_ = std::make_unique<DenoiseStage>(context_, model_, latent_, tokens, batch, request_.precision, PlanOptions{},
                                                 request_.attention);
      batch_ = batch;
    };
    const bool two = resolved_.guided && request_.guidance_mode != GuidanceMode::Sequential;
    plan(two ? 2 : 1);
    const size_t limit = request_.memory_limit;
    if (two && request_.guidance_mode == GuidanceMode::Auto && limit > 0 && need() > limit) plan(1);
    strips_ = decode_strips(context_, model_, latent_, request_, request_.preview_every > 0 ? denoiser_need() : 0);
    if (limit == 0) return;
    check_memory(request_, "denoising", need());
    check_memory(request_, "decoding", decode_need());
  }

  // A preview decodes beside the denoiser.
  size_t need() const {
    const size_t beside = request_.preview_every > 0 ? decode_need() : 0;
    return denoiser_need() + beside;
  }
  size_t denoiser_need() const { return denoiser_->weight_bytes() + denoiser_->arena_bytes(); }
  size_t decode_need() const {
    const DecodeStage stage(context_, model_, latent_, request_.precision, {}, strips_);
    return stage.weight_bytes() + stage.arena_bytes();
  }

  DecodeStage& decoder() {
    if (!decoder_) decoder_ = std::make_unique<DecodeStage>(context_, model_, latent_, request_.precision, PlanOptions{}, strips_);
    return *decoder_;
  }

  // The model's prediction for one picture at one call, guidance included.
  void predict(std::span<const float> input, float timestep, std::span<float> out) {
    const size_t size = static_cast<size_t>(latent_.count());
    if (!resolved_.guided) {
      if (!prompt_bound_) denoiser_->set_prompt(conditioning_, sizes_, 0, resolved_.guidance);
      prompt_bound_ = true;
      return denoiser_->run(input, timestep, out);
    }
    both_.resize(2 * size);
    const std::span<float> both(both_);
    if (batched()) {
      if (!prompt_bound_) denoiser_->set_prompt(conditioning_, sizes_, 0, resolved_.guidance);
      prompt_bound_ = true;
      denoiser_->run(input, timestep, both);
    } else {
      for (int64_t branch = 0; branch < 2; ++branch) {
        denoiser_->set_prompt(conditioning_, sizes_, branch, resolved_.guidance);
        denoiser_->run(input, timestep, both.subspan(static_cast<size_t>(branch) * size, size));
      }
    }
    combine_guidance(both.first(size), both.last(size), static_cast<float>(resolved_.guidance), out);
    if (request_.guidance_rescale > 0)
      rescale_guidance(out, both.last(size), static_cast<float>(request_.guidance_rescale));
  }

  std::vector<float> start_latent(Sampler& sampler, int first, Generator& generator) {
    std::vector<float> sample(static_cast<size_t>(latent_.count()));
    if (!request_.init) {
      generator.randn(sample);
      for (float& v : sample) v *= sampler.init_noise_sigma();
      return sample;
    }
    const Image& init = *request_.init;
    const bool fits = init.width == resolved_.width && init.height == resolved_.height;
    const Tensor picture =
        image_to_tensor(fits ? init : resize(init, resolved_.width, resolved_.height, ResizeFilter::Lanczos));
    Stopwatch watch;
    context_.report("encode", 0, 1);
    const std::vector<float> original =
        encode_picture(context_, model_, picture, request_, [&](std::span<float> out) { generator.randn(out); });
    context_.report("encode", 1, 1);
    seconds_.encode += watch.lap();
    generator.randn(sample);
    sampler.add_noise(first, original, sample, sample);
    return sample;
  }

  std::vector<float> denoise(int index, const GenerateCallbacks& callbacks) {
    SamplerOptions options = request_.sampler_options;
    if (!options.eta) options.eta = 0;  // diffusers' pipelines say so to every sampler that has an eta
    const auto sampler = make_sampler(model_.scheduler, request_.sampler, options, resolved_.steps);
    const int first = request_.init ? sampler->start_index(request_.strength) : 0;
    sampler->start(first);
    Generator generator(resolved_.seed + static_cast<uint64_t>(index));
    std::vector<float> sample = start_latent(*sampler, first, generator), input(sample.size()), output(sample.size());
    const int calls = sampler->calls() - first;
    Stopwatch watch;
    for (int i = first; i < sampler->calls(); ++i) {
      context_.report("denoise", index * calls + i - first, request_.count * calls);
      sampler->scale_model_input(i, sample, input);
      const float timestep = sampler->timesteps()[static_cast<size_t>(i)];
      if (callbacks.on_input) callbacks.on_input(index, i - first, input, timestep);
      predict(input, timestep, output);
      if (request_.preview_every > 0 && callbacks.on_preview && (i - first + 1) % request_.preview_every == 0) {
        sampler->predict_original(i, output, sample, input);
        callbacks.on_preview(tensor_to_image(decoder().run(input)), i - first + 1, calls);
      }
      if (callbacks.on_expected) {
        sampler->predict_original(i, output, sample, input);
        if (!callbacks.on_expected(index, i - first, input)) {
          sample = input;
          break;
        }
      }
      sampler->step(i, output, sample, [&](std::span<float> out) { generator.randn(out); });
      if (callbacks.on_step) callbacks.on_step(index, i - first, sample);
    }
    context_.report("denoise", (index + 1) * calls, request_.count * calls);
    seconds_.denoise += watch.lap();
    return sample;
  }

  void finish(int index, std::span<const float> latent, const GenerateCallbacks& callbacks) {
    Stopwatch watch;
    context_.report("decode", index, request_.count);
    GeneratedImage out;
    out.image = tensor_to_image(decoder().run(latent));
    seconds_.decode += watch.lap();
    context_.report("decode", index + 1, request_.count);
    out.index = index;
    out.seed = resolved_.seed + static_cast<uint64_t>(index);
    out.parameters = parameters_text(model_, request_, resolved_, out.seed);
    out.record = parameters_record(model_, request_, resolved_, out.seed);
    out.record["seconds"] = {{"text", seconds_.text},       {"load", seconds_.load},     {"encode", seconds_.encode},
                             {"denoise", seconds_.denoise}, {"decode", seconds_.decode}};
    out.record["threads"] = context_.threads.size();
    callbacks.on_image(out);
  }

  Context& context_;
  const LoadedModel& model_;
  const GenerateRequest& request_;
  ResolvedRequest resolved_;
  LatentShape latent_;
  Conditioning conditioning_;
  Tensor sizes_;
  std::unique_ptr<DenoiseStage> denoiser_;
  std::unique_ptr<DecodeStage> decoder_;
  int64_t batch_ = 1, strips_ = 1;
  bool prompt_bound_ = false;
  std::vector<float> both_;
  StageSeconds seconds_;
};

void check_range(const char* what, double value, double low, double high) {
  if (!(value >= low && value <= high))
    fail(ErrorCode::InvalidArgument, "{}: want {} to {} found {}", what, low, high, value);
}

int64_t checked_size(const char* what, int64_t value, int64_t otherwise, const LoadedModel& model) {
  const int64_t size = value == 0 ? otherwise : value;
  if (size % model.vae.factor != 0)
    fail(ErrorCode::InvalidArgument, "{} {}: want a multiple of {}; {} or {} would do", what, size, model.vae.factor,
         std::max(model.vae.factor, size / model.vae.factor * model.vae.factor), (size / model.vae.factor + 1) * model.vae.factor);
  check_range(what, static_cast<double>(size), static_cast<double>(model.vae.factor), 8192);
  return size;
}

}  // namespace

ResolvedRequest resolve(const LoadedModel& model, const GenerateRequest& request) {
  ResolvedRequest r{};
  r.width = checked_size("width", request.width, model.defaults.width, model);
  r.height = checked_size("height", request.height, model.defaults.height, model);
  r.steps = request.steps == 0 ? model.defaults.steps : request.steps;
  check_range("steps", r.steps, 1, 1000);
  check_range("count", request.count, 1, 100000);
  check_range("clip skip", static_cast<double>(request.clip_skip), 0, 64);
  r.guidance = request.guidance.value_or(model.defaults.guidance);
  check_range("guidance", r.guidance, 0, 100);
  check_range("guidance rescale", request.guidance_rescale, 0, 1);
  if (request.init) check_range("strength", request.strength, 0, 1);
  r.guided = r.guidance > 1 && model.unet.time_cond_width == 0;
  if (request.precision != DType::F32 && request.precision != DType::BF16)
    fail(ErrorCode::InvalidArgument, "precision {}: want f32 or bf16", to_string(request.precision));
  if (model.unet.in_channels != model.unet.out_channels)
    fail(ErrorCode::Unsupported, "model {}: its unet takes {} channels (an inpainting model); text-to-image wants {}", model.name,
         model.unet.in_channels, model.unet.out_channels);
  r.sampler = find_sampler(request.sampler, model.scheduler).info->name;
  r.seed = request.seed >= 0 ? static_cast<uint64_t>(request.seed) : std::random_device()();
  return r;
}

void generate(Context& context, const LoadedModel& model, const GenerateRequest& request, const GenerateCallbacks& callbacks) {
  Run(context, model, request).all(callbacks);
}

}  // namespace nibble
