#include <string>

#include "base/error.h"
#include "image/codec.h"
#include "nibble/nibble.h"
#include "pipelines/text_to_image.h"

struct nibble_engine {
  explicit nibble_engine(int threads) : context(threads > 0 ? threads : nibble::default_thread_count()) {}
  nibble::Context context;
  std::optional<nibble::LoadedModel> model;
  std::string error;
};

struct nibble_request {
  nibble::GenerateRequest request;
  std::string error;
};

struct nibble_image {
  nibble::GeneratedImage image;
  std::string record;
};

namespace nibble {
namespace {

nibble_status status_of(ErrorCode code) { return static_cast<nibble_status>(error_info(code).exit_status); }

// The door: no exception leaves, the sentence stays on the handle.
template <typename Body>
nibble_status guarded(std::string& error, const Body& body) noexcept {
  try {
    error.clear();
    body();
    return NIBBLE_OK;
  } catch (const Error& e) {
    error = e.what();
    return status_of(e.code());
  } catch (const std::bad_alloc&) {
    error = "memory: exhausted";
    return NIBBLE_OUT_OF_MEMORY;
  } catch (const std::exception& e) {
    error = e.what();
    return NIBBLE_INTERNAL;
  }
}

[[noreturn]] void unknown_option(const char* kind, const std::string& name) {
  fail(ErrorCode::InvalidArgument, "option '{}': no such {} option; nibble.h lists them", name, kind);
}

template <typename T>
T parsed(const std::optional<T>& value, const std::string& name, const std::string& text) {
  if (!value) fail(ErrorCode::InvalidArgument, "option {}: '{}' is not one of its values; nibble.h lists them", name, text);
  return *value;
}

GuidanceMode guidance_mode(const std::string& text) {
  if (text == "auto") return GuidanceMode::Auto;
  if (text == "batched") return GuidanceMode::Batched;
  if (text == "sequential") return GuidanceMode::Sequential;
  fail(ErrorCode::InvalidArgument, "option guidance_mode: want auto, batched or sequential found '{}'", text);
}

void set_text(GenerateRequest& r, const std::string& name, const std::string& value) {
  if (name == "negative_prompt") r.negative_prompt = value;
  else if (name == "sampler") r.sampler = value;
  else if (name == "schedule") r.sampler_options = parse_sigma_schedule(value);
  else if (name == "precision") r.precision = parsed(dtype_from_name(value), name, value);
  else if (name == "attention") r.attention = parsed(attention_form_from_name(value), name, value);
  else if (name == "prompt_syntax") r.syntax = parsed(prompt_syntax_from_name(value), name, value);
  else if (name == "guidance_mode") r.guidance_mode = guidance_mode(value);
  else if (name == "init_file") r.init = read_upright_rgb(value);
  else unknown_option("text", name);
}

void set_int(GenerateRequest& r, const std::string& name, int64_t value) {
  if (name != "seed" && (value < 0 || value > int64_t{1} << 50))
    fail(ErrorCode::InvalidArgument, "option {}: {} is out of range", name, value);
  if (name == "width") r.width = value;
  else if (name == "height") r.height = value;
  else if (name == "steps") r.steps = static_cast<int>(std::min<int64_t>(value, 1 << 20));
  else if (name == "seed") r.seed = value;
  else if (name == "clip_skip") r.clip_skip = value;
  else if (name == "vae_tiles") r.vae_tiles = value;
  else if (name == "memory_limit") r.memory_limit = static_cast<size_t>(value);
  else unknown_option("int", name);
}

void set_number(GenerateRequest& r, const std::string& name, double value) {
  if (name == "guidance") r.guidance = value;
  else if (name == "guidance_rescale") r.guidance_rescale = value;
  else if (name == "strength") r.strength = value;
  else if (name == "eta") r.sampler_options.eta = value;
  else unknown_option("number", name);
}

std::string text_argument(const char* text, const char* what) {
  if (text == nullptr) fail(ErrorCode::InvalidArgument, "{}: is NULL", what);
  return text;
}

}  // namespace
}  // namespace nibble

using nibble::guarded;
using nibble::text_argument;

extern "C" {

const char* nibble_version(void) { return NIBBLE_VERSION; }

nibble_engine* nibble_engine_create(int threads) {
  try {
    return new nibble_engine(threads);
  } catch (...) {
    return nullptr;
  }
}

void nibble_engine_destroy(nibble_engine* engine) { delete engine; }

nibble_status nibble_engine_load(nibble_engine* engine, const char* model, const char* vae) {
  return guarded(engine->error, [&] { engine->model = nibble::load_model(text_argument(model, "model"), vae ? vae : ""); });
}

const char* nibble_engine_error(const nibble_engine* engine) { return engine->error.c_str(); }

void nibble_engine_cancel(nibble_engine* engine) { engine->context.cancel = true; }

nibble_request* nibble_request_create(const char* prompt) {
  try {
    auto request = std::make_unique<nibble_request>();
    request->request.prompt = prompt ? prompt : "";
    return request.release();
  } catch (...) {
    return nullptr;
  }
}

void nibble_request_destroy(nibble_request* request) { delete request; }
const char* nibble_request_error(const nibble_request* request) { return request->error.c_str(); }

nibble_status nibble_request_set_text(nibble_request* request, const char* name, const char* value) {
  return guarded(request->error,
                 [&] { nibble::set_text(request->request, text_argument(name, "name"), text_argument(value, "value")); });
}

nibble_status nibble_request_set_int(nibble_request* request, const char* name, int64_t value) {
  return guarded(request->error, [&] { nibble::set_int(request->request, text_argument(name, "name"), value); });
}

nibble_status nibble_request_set_number(nibble_request* request, const char* name, double value) {
  return guarded(request->error, [&] { nibble::set_number(request->request, text_argument(name, "name"), value); });
}

nibble_status nibble_request_set_init(nibble_request* request, const uint8_t* rgb, int64_t width, int64_t height) {
  return guarded(request->error, [&] {
    constexpr int64_t kLargest = 1 << 16;
    if (rgb == nullptr || width < 1 || height < 1 || width > kLargest || height > kLargest)
      nibble::fail(nibble::ErrorCode::InvalidArgument, "init: want pixels of 1 to {} by 1 to {} found {}x{}", kLargest, kLargest, width, height);
    nibble::Image image(width, height, 3);
    std::copy_n(rgb, image.pixels.size(), image.pixels.begin());
    request->request.init = std::move(image);
  });
}

nibble_status nibble_generate(nibble_engine* engine, const nibble_request* request, nibble_progress progress, void* user,
                              nibble_image** image) {
  *image = nullptr;
  const nibble_status status = guarded(engine->error, [&] {
    if (!engine->model) nibble::fail(nibble::ErrorCode::InvalidArgument, "engine: no model is loaded; call nibble_engine_load first");
    nibble::Context& context = engine->context;
    context.progress = [&](const std::string& stage, int64_t done, int64_t total) {
      if (progress != nullptr && progress(stage.c_str(), done, total, user) != 0) context.cancel = true;
    };
    nibble::GenerateRequest one = request->request;
    one.count = 1;
    nibble::GenerateCallbacks callbacks;
    callbacks.on_image = [&](const nibble::GeneratedImage& drawn) { *image = new nibble_image{drawn, drawn.record.dump()}; };
    context.check_cancelled();
    nibble::generate(context, *engine->model, one, callbacks);
  });
  engine->context.progress = nullptr;
  engine->context.cancel = false;
  return status;
}

void nibble_image_destroy(nibble_image* image) { delete image; }
int64_t nibble_image_width(const nibble_image* image) { return image->image.image.width; }
int64_t nibble_image_height(const nibble_image* image) { return image->image.image.height; }
uint64_t nibble_image_seed(const nibble_image* image) { return image->image.seed; }
const uint8_t* nibble_image_pixels(const nibble_image* image) { return image->image.image.pixels.data(); }
const char* nibble_image_parameters(const nibble_image* image) { return image->image.parameters.c_str(); }
const char* nibble_image_record(const nibble_image* image) { return image->record.c_str(); }

nibble_status nibble_image_save(nibble_engine* engine, const nibble_image* image, const char* file) {
  return guarded(engine->error, [&] {
    nibble::write_png(text_argument(file, "file"), image->image.image, {{"parameters", image->image.parameters}});
  });
}

}  // extern "C"
