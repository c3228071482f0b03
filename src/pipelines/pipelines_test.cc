#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/random.h"
#include "formats/safetensors_writer.h"
#include "image/convert.h"
#include "image/picture_of_test.h"
#include "nn/formula_weights.h"
#include "pipelines/conditioning.h"
#include "pipelines/stages.h"
#include "pipelines/text_to_image.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

const fs::path kCase = fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/pipeline/tiny_sd";

// The case's model folder with its weights filled by formula, made once per test program.
class TinyModel {
 public:
  TinyModel() : folder_(fs::path(::testing::TempDir()) / format("nibble-tiny-sd-{}", ::getpid())) {
    fs::copy(kCase / "model", folder_, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    fill("unet", "diffusion_pytorch_model.safetensors");
    fill("vae", "diffusion_pytorch_model.safetensors");
    fill("text_encoder", "model.safetensors");
  }
  ~TinyModel() { fs::remove_all(folder_); }
  const fs::path& folder() const { return folder_; }

 private:
  void fill(const char* part, const char* file) const {
    std::vector<std::pair<std::string, Tensor>> tensors;
    const auto source = formula_weights();
    const Json parameters = read_json_file(folder_ / part / "parameters.json");
    for (const auto& [name, shape] : parameters.items())
      tensors.emplace_back(name, *source->find(name, Shape(shape.get<std::vector<int64_t>>())));
    write_safetensors(folder_ / part / file, tensors);
  }
  fs::path folder_;
};

const TinyModel& tiny() {
  static const TinyModel model;
  return model;
}

const Json& golden_case() {
  static const Json json = read_json_file(kCase / "case.json");
  return json;
}

std::vector<std::string> run_names() {
  std::vector<std::string> names;
  for (const Json& run : golden_case()["runs"])
    if (!run.contains("mask")) names.push_back(run["name"]);
  return names;
}

GenerateRequest request_of(const Json& run, const GoldenFile& data) {
  GenerateRequest r;
  r.syntax = PromptSyntax::Plain;
  r.prompt = run["prompt"];
  if (run.contains("negative_prompt")) r.negative_prompt = run["negative_prompt"];
  r.steps = run["steps"];
  r.guidance = run["guidance"];
  r.guidance_rescale = run.value("guidance_rescale", 0.0);
  r.seed = run["seed"];
  r.count = run.value("count", 1);
  r.width = run["width"];
  r.height = run["height"];
  r.sampler = run["sampler"];
  r.clip_skip = run.value("clip_skip", 0);
  if (run.contains("schedule")) r.sampler_options = parse_sigma_schedule(run["schedule"].get<std::string>());
  if (run.contains("spacing")) r.sampler_options.spacing = parse_timestep_spacing(run["spacing"].get<std::string>());
  if (run.contains("eta")) r.sampler_options.eta = run["eta"];
  if (run.contains("image")) {
    r.init = picture_of(data[run["image"].get<std::string>()]);
    r.strength = run["strength"];
  }
  return r;
}

double rms(const Tensor& t) {
  double sum = 0;
  for (int64_t i = 0; i < t.count(); ++i) sum += std::pow(static_cast<double>(element(t, i)), 2);
  return std::sqrt(sum / static_cast<double>(t.count()));
}

class PipelineGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(PipelineGolden, Latents_and_pictures_equal_diffusers) {
  const GoldenFile data(kCase / "data.safetensors");
  Json run;
  for (const Json& each : golden_case()["runs"])
    if (each["name"] == GetParam()) run = each;
  const LoadedModel model = load_model(tiny().folder());
  Context context(2);
  const Tensor want = data["out." + GetParam() + ".latents"], bytes = data["out." + GetParam() + ".bytes"];
  std::map<int, std::vector<float>> latents;
  std::vector<Image> images;
  GenerateCallbacks callbacks;
  callbacks.on_step = [&](int picture, int, std::span<const float> latent) { latents[picture] = {latent.begin(), latent.end()}; };
  callbacks.on_image = [&](const GeneratedImage& image) { images.push_back(image.image); };
  generate(context, model, request_of(run, data), callbacks);

  const int64_t pictures = want.dim(0), size = want.count() / pictures;
  ASSERT_EQ(static_cast<int64_t>(images.size()), pictures);
  const double limit = run["latents_tolerance"].get<double>() * rms(want);
  for (int64_t n = 0; n < pictures; ++n) {
    for (int64_t i = 0; i < size; ++i)
      ASSERT_NEAR(latents[static_cast<int>(n)][static_cast<size_t>(i)], element(want, n * size + i), limit) << "picture " << n << " element " << i;
    const Image& image = images[static_cast<size_t>(n)];
    for (size_t i = 0; i < image.pixels.size(); ++i)
      ASSERT_LE(std::abs(static_cast<float>(image.pixels[i]) - element(bytes, static_cast<int64_t>(n * static_cast<int64_t>(image.pixels.size()) + static_cast<int64_t>(i)))), 1) << "picture " << n << " byte " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Runs, PipelineGolden, ::testing::ValuesIn(run_names()), [](const auto& test) { return test.param; });

std::vector<uint8_t> draw(int threads, const GenerateRequest& request) {
  Context context(threads);
  std::vector<uint8_t> pixels;
  GenerateCallbacks callbacks;
  callbacks.on_image = [&](const GeneratedImage& image) { pixels.insert(pixels.end(), image.image.pixels.begin(), image.image.pixels.end()); };
  generate(context, load_model(tiny().folder()), request, callbacks);
  return pixels;
}

GenerateRequest small_request() {
  GenerateRequest r;
  r.prompt = "a red apple";
  r.steps = 3;
  r.seed = 1;
  r.width = 24;
  r.height = 16;
  return r;
}

TEST(Pipeline, Threads_and_guidance_modes_change_no_byte) {
  GenerateRequest r = small_request();
  r.guidance_mode = GuidanceMode::Batched;
  const auto want = draw(1, r);
  EXPECT_EQ(draw(2, r), want);
  EXPECT_EQ(draw(4, r), want);
  r.guidance_mode = GuidanceMode::Sequential;
  EXPECT_EQ(draw(3, r), want);
}

TEST(Pipeline, Picture_i_of_a_count_is_the_picture_of_its_own_seed) {
  GenerateRequest r = small_request();
  r.count = 2;
  const auto both = draw(2, r);
  r.count = 1;
  r.seed = 2;
  const auto second = draw(2, r);
  EXPECT_TRUE(std::equal(second.begin(), second.end(), both.begin() + static_cast<std::ptrdiff_t>(second.size())));
}

TEST(Pipeline, A_weight_of_one_changes_nothing_and_another_weight_something) {
  GenerateRequest r = small_request();
  const auto plain = draw(2, r);
  r.prompt = "a (red:1.0) apple";
  EXPECT_EQ(draw(2, r), plain);
  r.prompt = "a (red:1.5) apple";
  EXPECT_NE(draw(2, r), plain);
}

TEST(Pipeline, A_memory_limit_is_kept_or_refused_with_the_figures) {
  GenerateRequest r = small_request();
  r.memory_limit = 1000;
  try {
    draw(1, r);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::OutOfMemory);
    EXPECT_NE(std::string(e.what()).find("the limit is"), std::string::npos);
  }
}

double psnr(const Tensor& a, const Tensor& b) {  // of values in [-1, 1]
  double sum = 0;
  for (int64_t i = 0; i < a.count(); ++i) sum += std::pow(static_cast<double>(element(a, i) - element(b, i)), 2);
  return sum == 0 ? 1e9 : 10 * std::log10(4 * static_cast<double>(a.count()) / sum);
}

TEST(Decoder, Strips_of_the_builtin_model_give_the_whole_picture_in_less_memory) {
  const LoadedModel model = load_model("emoji");
  Context context(2);
  const LatentShape latent{model.vae.latent_channels, 16, 20};
  std::vector<float> noise(static_cast<size_t>(latent.count()));
  Generator(5).randn(noise);
  DecodeStage whole(context, model, latent, DType::F32), strips(context, model, latent, DType::F32, {}, 4);
  EXPECT_GT(psnr(whole.run(noise), strips.run(noise)), 100);
  EXPECT_LT(strips.arena_bytes(), whole.arena_bytes() * 3 / 4);
  // A strip must not take its own statistics: the same latent with a bright half.
  for (size_t i = 0; i < noise.size(); ++i) noise[i] *= i % 320 < 160 ? 3.0f : 0.1f;
  EXPECT_GT(psnr(whole.run(noise), strips.run(noise)), 100);
}

TEST(Decoder, A_memory_limit_is_met_by_the_fewest_strips) {
  const LoadedModel model = load_model("emoji");
  Context context(1);
  const LatentShape latent{model.vae.latent_channels, 16, 16};
  GenerateRequest r;
  EXPECT_EQ(decode_strips(context, model, latent, r), 1);
  const auto need = [&](int64_t strips) {
    const DecodeStage stage(context, model, latent, DType::F32, {}, strips);
    return stage.weight_bytes() + stage.arena_bytes();
  };
  r.memory_limit = need(1);
  EXPECT_EQ(decode_strips(context, model, latent, r), 1);
  r.memory_limit = need(4);
  const int64_t found = decode_strips(context, model, latent, r);
  EXPECT_TRUE(found == 2 || found == 4) << found;
  EXPECT_LE(need(found), r.memory_limit);
  r.vae_tiles = 1;
  EXPECT_EQ(decode_strips(context, model, latent, r), 1);
}

TEST(Conditioning, Texts_at_once_are_encoded_as_one_by_one) {
  Context context(2);
  const LoadedModel model = load_model(tiny().folder().string());
  const std::vector<std::string> texts = {"a red apple", "", "two cats on a sofa, oil painting"};
  const Conditioning all = encode_texts(context, model, texts);
  ASSERT_EQ(all.text.dim(0), 3);
  for (int64_t i = 0; i < 3; ++i) {
    GenerateRequest request;
    request.prompt = texts[static_cast<size_t>(i)], request.syntax = PromptSyntax::Plain;
    const Conditioning one = encode_prompts(context, model, request, false);
    const Tensor row = all.text.rows(i, i + 1);
    EXPECT_TRUE(std::ranges::equal(row.values<float>(), one.text.values<float>())) << texts[static_cast<size_t>(i)];
  }
}

TEST(Pipeline, Cancel_ends_with_an_error_and_no_picture) {
  Context context(1);
  context.progress = [&](const std::string& stage, int64_t done, int64_t) {
    if (stage == "denoise" && done == 1) context.cancel = true;
  };
  int pictures = 0;
  GenerateCallbacks callbacks;
  callbacks.on_image = [&](const GeneratedImage&) { ++pictures; };
  try {
    generate(context, load_model(tiny().folder()), small_request(), callbacks);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::Cancelled);
  }
  EXPECT_EQ(pictures, 0);
}

TEST(Pipeline, A_picture_may_end_early_with_what_the_last_call_expects) {
  Context context(1);
  GenerateRequest r = small_request();
  r.sampler = "euler";
  std::vector<float> expected, last;
  int calls = 0;
  GenerateCallbacks callbacks;
  const auto end_after = [&](int call) {
    return [&, call](int, int i, std::span<const float> latent) {
      expected.assign(latent.begin(), latent.end());
      return i < call;
    };
  };
  callbacks.on_input = [&](int, int, std::span<const float>, float) { ++calls; };
  callbacks.on_step = [&](int, int, std::span<const float> latent) { last.assign(latent.begin(), latent.end()); };
  callbacks.on_expected = end_after(1);
  generate(context, load_model(tiny().folder()), r, callbacks);
  EXPECT_EQ(calls, 2);
  EXPECT_NE(expected, last);
  callbacks.on_expected = end_after(9);
  generate(context, load_model(tiny().folder()), r, callbacks);
  EXPECT_EQ(calls, 2 + 3);
  // Euler's last step goes to no noise: the latent is what its call expected, up to the sum x - s e + ... of that step.
  ASSERT_EQ(expected.size(), last.size());
  const float largest = std::abs(*std::ranges::max_element(last, {}, [](float v) { return std::abs(v); }));
  for (size_t i = 0; i < last.size(); ++i) EXPECT_NEAR(expected[i], last[i], 4 * 1.2e-7f * std::max(largest, 1.0f)) << i;
}

TEST(Pipeline, The_parameters_text_is_what_other_tools_read) {
  Context context(1);
  GenerateRequest r = small_request();
  r.negative_prompt = "blurry";
  r.sampler = "euler";
  std::string text;
  GenerateCallbacks callbacks;
  callbacks.on_image = [&](const GeneratedImage& image) { text = image.parameters; };
  generate(context, load_model(tiny().folder()), r, callbacks);
  EXPECT_EQ(text.find("a red apple\nNegative prompt: blurry\nSteps: 3, Sampler: Euler, CFG scale: 7.5, Seed: 1, Size: 24x16, Model: "), 0u) << text;
}

TEST(Pipeline, A_part_that_is_missing_is_named) {
  const fs::path folder = fs::path(::testing::TempDir()) / format("nibble-part-{}", ::getpid());
  fs::copy(tiny().folder(), folder, fs::copy_options::recursive);
  fs::remove(folder / "unet/diffusion_pytorch_model.safetensors");
  try {
    Context context(1);
    generate(context, load_model(folder), small_request(), {});
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("unet"), std::string::npos) << e.what();
  }
  fs::remove_all(folder);
}

TEST(GuidanceEmbedding, Is_the_sinusoid_of_a_thousand_times_the_scale) {
  const Tensor e = guidance_embedding(7.5, 8);
  EXPECT_NEAR(element(e, 0), std::sin(7500.0), 1e-3);  // 7500 in float32 has a spacing of 5e-4
  EXPECT_NEAR(element(e, 4), std::cos(7500.0), 1e-3);
}

}  // namespace
}  // namespace nibble
