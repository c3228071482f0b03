// nibble generate: a picture from words, or from words and a picture.
#include <cstdio>
#include <filesystem>

#include "apps/cli/command.h"
#include "apps/cli/progress_bar.h"
#include "apps/cli/request_options.h"
#include "base/check.h"
#include "image/codec.h"
#include "pipelines/text_to_image.h"

namespace nibble::cli {
namespace {

namespace fs = std::filesystem;

struct GenerateFlags : RequestOptions {
  std::string out, syntax = "a1111", negative, init, preview;
};

// "a red apple, fluent 3d" -> "a-red-apple-fluent-3d".
std::string file_stem(const std::string& prompt) {
  constexpr size_t kLongest = 60;
  std::string stem;
  for (const char c : prompt) {
    const bool word = std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80;
    if (word) stem += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!stem.empty() && stem.back() != '-') stem += '-';
    if (stem.size() >= kLongest) break;
  }
  while (!stem.empty() && (stem.back() == '-' || static_cast<unsigned char>(stem.back()) >= 0x80)) stem.pop_back();
  return stem.empty() ? "picture" : stem;
}

// --out FILE.png for one picture (FILE-0.png… for several), --out FOLDER/, or a name from the prompt and the seed.
fs::path output_path(const GenerateFlags& o, const GeneratedImage& image) {
  const bool folder = !o.out.empty() && (o.out.back() == '/' || fs::is_directory(o.out));
  if (o.out.empty() || folder) return fs::path(o.out) / format("{}-{}.png", file_stem(o.request.prompt), image.seed);
  fs::path path = o.out;
  if (path.extension() != ".png") path += ".png";
  if (o.request.count == 1) return path;
  return path.parent_path() / format("{}-{}.png", path.stem().string(), image.index);
}

void fill_request(GenerateFlags& o) {
  o.request = finished_request(o);
  GenerateRequest& r = o.request;
  if (!o.negative.empty()) r.negative_prompt = o.negative;
  const auto syntax = prompt_syntax_from_name(o.syntax);
  NIBBLE_CHECK(syntax.has_value(), "syntax {}", o.syntax);
  r.syntax = *syntax;
  if (!o.init.empty()) r.init = read_upright_rgb(o.init);
  if (!o.preview.empty() && r.preview_every == 0) r.preview_every = 1;
}

// A missing folder or a full name is found before an hour of drawing, not after it.
void prepare_folder(const GenerateFlags& o) {
  const fs::path folder = o.out.empty() ? fs::path() : (o.out.back() == '/' ? fs::path(o.out) : fs::path(o.out).parent_path());
  if (folder.empty()) return;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail(ErrorCode::Io, "folder {}: cannot create: {}", folder.string(), error.message());
}

void run_generate(GenerateFlags& o, const Common& common) {
  fill_request(o);
  prepare_folder(o);
  const auto context = make_context(common);
  const LoadedModel model = load_model(o.model, o.vae);
  const ResolvedRequest resolved = resolve(model, o.request);
  o.request.seed = static_cast<int64_t>(resolved.seed);
  if (!common.quiet)
    std::fprintf(stderr, "%s: %ldx%ld, %d steps, %s, guidance %g, seed %lu\n", o.model.c_str(), static_cast<long>(resolved.width),
                 static_cast<long>(resolved.height), resolved.steps, resolved.sampler.c_str(), resolved.guidance,
                 static_cast<unsigned long>(resolved.seed));
  Json records = Json::array();
  GenerateCallbacks callbacks;
  callbacks.on_image = [&](const GeneratedImage& image) {
    const fs::path file = output_path(o, image);
    write_png(file, image.image, {{"parameters", image.parameters}});
    clear_progress();
    if (common.json) {
      records.push_back(image.record);
      records.back()["file"] = file.string();
    } else {
      std::printf("%s\n", file.string().c_str());
    }
  };
  callbacks.on_preview = [&](const Image& image, int, int) { write_png(o.preview, image); };
  generate(*context, model, o.request, callbacks);
  if (common.json) print_json({{"images", records}});
}

}  // namespace

void add_generate(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto o = std::make_shared<GenerateFlags>();
  GenerateRequest& r = o->request;
  CLI::App* c = app.add_subcommand("generate", "Draw pictures from words (text-to-image) or from a picture and words (--init)");
  c->add_option("prompt", r.prompt, "What to draw, e.g. \"a red apple, fluent 3d\"")->required();
  c->add_option("--negative", o->negative, "What to keep away from");
  c->add_option("--model", o->model, "A diffusers folder, a checkpoint file, or a built-in model [emoji]");
  add_request_options(*c, *o);
  c->add_option("--out", o->out, "A .png file or a folder [a name from prompt and seed]");
  c->add_option("--seed", r.seed, "Same seed, same picture; picture i of --count uses seed + i [-1: random, printed]");
  c->add_option("--count", r.count, "Number of pictures [1]")->check(CLI::Range(1, 100000));
  c->add_option("--prompt-syntax", o->syntax,
                "a1111: (word:1.3), [word], BREAK, long prompts; plain: brackets are text, cut at the model's limit, as diffusers")
      ->check(CLI::IsMember({"a1111", "plain"}));
  c->add_option("--init", o->init, "Start from this picture (PNG, JPEG, WebP): image-to-image");
  c->add_option("--strength", r.strength, "How much of --init to change, 0 to 1 [0.8]")->check(CLI::Range(0.0, 1.0));
  CLI::Option* preview = c->add_option("--preview", o->preview, "Write the expected picture to this PNG while drawing");
  c->add_option("--preview-every", r.preview_every, "Steps between previews [1]")->needs(preview)->check(CLI::Range(1, 1000));
  c->footer(sampler_list());
  c->callback([o, &common, &run_command] { run_command = [o, &common] { run_generate(*o, common); }; });
}

}  // namespace nibble::cli
