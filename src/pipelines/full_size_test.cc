// Full-size models with seeded random weights against diffusers: one UNet pass, one encode, one decode, from the folder and from
// the single file. tools/make_random_model.py makes them; without them these tests are skipped.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "graph/plan.h"
#include "models/golden_case.h"
#include "models/unet/unet.h"
#include "pipelines/loaded_model.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

fs::path random_models() {
  if (const char* cache = std::getenv("NIBBLE_CACHE")) return fs::path(cache) / "random";
  const char* home = std::getenv("HOME");
  return fs::path(home ? home : ".") / ".cache/nibble/random";
}

double relative_l2(const Tensor& got, const Tensor& want) {
  double error = 0, size = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    const double w = static_cast<double>(element(want, i));
    error += std::pow(static_cast<double>(element(got, i)) - w, 2);
    size += w * w;
  }
  return std::sqrt(error / size);
}

struct FullSizeCase {
  const char* model;
  bool single_file;
};

void PrintTo(const FullSizeCase& c, std::ostream* out) { *out << c.model << (c.single_file ? " file" : " folder"); }

class FullSize : public ::testing::TestWithParam<FullSizeCase> {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "the thread sanitizer wants several times the memory of these models";
#endif
    folder_ = random_models() / GetParam().model;
    if (!fs::exists(folder_ / "reference.safetensors"))
      GTEST_SKIP() << "no " << (folder_ / "reference.safetensors") << ": run tools/make_random_model.py " << GetParam().model;
    data_.emplace(folder_ / "reference.safetensors");
    model_ = load_model((GetParam().single_file ? folder_ / (std::string(GetParam().model) + ".safetensors") : folder_ / "diffusers").string());
  }

  Tensor input(const std::string& name) const { return models::moved_axes((*data_)["in." + name], true); }

  // Float32 within 1e-4 of the reference; bf16 at most 1.2 times as far from it as the reference library's own bf16.
  void expect_output(const std::string& name, const Tensor& f32, const Tensor& bf16) const {
    const Tensor want = models::moved_axes((*data_)["out." + name + ".f32"], true);
    const double error = relative_l2(f32, want);
    EXPECT_LE(error, 1e-4) << name;
    RecordProperty(name + ".f32", std::to_string(error));
    if (!data_->has("out." + name + ".bf16")) return;
    const double theirs = relative_l2(models::moved_axes((*data_)["out." + name + ".bf16"], true), want);
    const double ours = relative_l2(bf16, want);
    EXPECT_LE(ours, 1.2 * theirs) << name;
    std::printf("%s: f32 %.2e, bf16 %.2e (reference's bf16 %.2e)\n", name.c_str(), error, ours, theirs);
  }

  fs::path folder_;
  std::optional<GoldenFile> data_;
  LoadedModel model_;
};

Tensor run_unet(const models::UNet2DConditionModel& unet, const std::function<Tensor(const std::string&)>& input, bool sdxl, DType dtype) {
  Context context;
  Graph graph;
  const auto add = [&](const char* name, DType type, Rate rate) { return graph.input(name, {type, input(name).shape()}, rate); };
  models::UNetInputs in;
  in.sample = add("sample", dtype, Rate::Step);
  in.timestep = add("timestep", DType::F32, Rate::Step);
  in.text = add("encoder_hidden_states", dtype, Rate::Prompt);
  if (sdxl) {
    in.pooled_text = add("text_embeds", dtype, Rate::Prompt);
    in.sizes = add("time_ids", DType::F32, Rate::Prompt);
  }
  Plan plan(context, graph, {unet(in)});
  for (int id = 0; id < graph.size(); ++id)
    if (graph.node(id).is_input) plan.bind(graph.node(id).name, input(graph.node(id).name).to(DType::F32));
  plan.run();
  return plan.output_copy(0);
}

TEST_P(FullSize, Unet_equals_diffusers) {
  const models::UNet2DConditionModel unet(Scope(model_.source.weights("unet"), nullptr), model_.unet);
  const auto in = [&](const std::string& name) { return input("unet." + name); };
  expect_output("unet.sample", run_unet(unet, in, model_.sdxl, DType::F32), run_unet(unet, in, model_.sdxl, DType::BF16));
}

TEST_P(FullSize, Vae_equals_diffusers) {
  models::VaeConfig config = model_.vae;
  config.scaling = 1;
  config.shift = 0;
  const auto vae = models::make_vae(Scope(model_.source.weights("vae"), nullptr), config, models::VaeParts::Both);
  Tensor moments[2], decoded[2];
  for (int i = 0; i < 2; ++i) {
    const DType dtype = i == 0 ? DType::F32 : DType::BF16;
    Context context;
    Graph graph;
    const Value image = graph.input("image", {dtype, input("vae.image").shape()}, Rate::Step);
    const Value latents = graph.input("latents", {dtype, input("vae.latents").shape()}, Rate::Step);
    Plan plan(context, graph, {vae->encode(image, true), vae->decode(latents)});
    plan.bind(image, input("vae.image"));
    plan.bind(latents, input("vae.latents"));
    plan.run();
    moments[i] = plan.output_copy(0);
    decoded[i] = plan.output_copy(1);
  }
  expect_output("vae.moments", moments[0], moments[1]);
  expect_output("vae.decoded", decoded[0], decoded[1]);
}

INSTANTIATE_TEST_SUITE_P(Models, FullSize,
                         ::testing::Values(FullSizeCase{"sd15", false}, FullSizeCase{"sd15", true}, FullSizeCase{"sdxl", false},
                                           FullSizeCase{"sdxl", true}),
                         [](const auto& test) { return std::string(test.param.model) + (test.param.single_file ? "_file" : "_folder"); });

}  // namespace
}  // namespace nibble
