#include "models/vae/vae.h"

#include "formats/weight_file.h"
#include "models/golden_case.h"
#include "nn/formula_weights.h"

namespace nibble::models {
namespace {

std::string label_of(const std::string& name) {
  if (name.ends_with("mid_block")) return name + ".resnets.1";
  return name + ".conv";
}

// The goldens state the latent as the VAE itself defines it.
VaeConfig unscaled(const GoldenCase& golden) {
  VaeConfig config = VaeConfig::from_json(golden.config(), "config.json");
  config.scaling = 1;
  config.shift = 0;
  return config;
}

struct Result {
  Tensor encoded, decoded;
  Activations activations;
};

Result run_both(const Vae& vae, const Tensor& image, const Tensor& latents) {
  Context context(2);
  Graph graph;
  const Value picture = graph.input("image", {DType::F32, image.shape()}, Rate::Step);
  const Value latent = graph.input("latents", {DType::F32, latents.shape()}, Rate::Step);
  Plan plan(context, graph, {vae.encode(picture, true), vae.decode(latent)}, observed_plan());
  Result result;
  result.activations.attach(plan);
  plan.bind(picture, image);
  plan.bind(latent, latents);
  plan.run();
  result.encoded = plan.output_copy(0);
  result.decoded = plan.output_copy(1);
  return result;
}

class VaeGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(VaeGolden, Every_activation_equals_the_reference) {
  const GoldenCase golden(std::string("vae/") + GetParam());
  const auto vae = make_vae(Scope(formula_weights(), nullptr), unscaled(golden), VaeParts::Both);
  const Result r = run_both(*vae, moved_axes(golden.input("image"), true), moved_axes(golden.input("latents"), true));
  const bool tiny = vae->config().tiny;
  expect_output(golden, tiny ? "encoded" : "moments", r.encoded);
  expect_output(golden, "decoded", r.decoded);
  if (!tiny) expect_activations(golden, r.activations, label_of);
}

INSTANTIATE_TEST_SUITE_P(Kinds, VaeGolden, ::testing::Values("kl_tiny", "kl16_tiny", "taesd_tiny"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Vae, Latents_are_scaled_and_shifted_as_the_config_says) {
  const GoldenCase golden("vae/kl16_tiny");
  const VaeConfig config = VaeConfig::from_json(golden.config(), "config.json");
  const Tensor image = moved_axes(golden.input("image"), true);
  const auto vae = make_vae(Scope(formula_weights(), nullptr), config, VaeParts::Both);
  Context context(1);
  Graph graph;
  const Value picture = graph.input("image", {DType::F32, image.shape()}, Rate::Step);
  Plan plan(context, graph, {vae->encode(picture), vae->encode(picture, true)});
  plan.bind(picture, image);
  plan.run();
  const Tensor latent = plan.output_copy(0), moments = plan.output_copy(1);
  for (int64_t i = 0; i < latent.count(); ++i) {
    const int64_t c = config.latent_channels;
    const float mean = element(moments, i / c * 2 * c + i % c);
    EXPECT_NEAR(element(latent, i), (mean - 0.0609f) * 1.5305f, 1e-6 * (1 + std::abs(mean)));
  }
}

std::filesystem::path shared_data() {
  const char* folder = std::getenv("NIBBLE_SHARED_DATA");
  return folder ? std::filesystem::path(folder) : std::filesystem::path(NIBBLE_SOURCE_DIR) / "../shared/data";
}

// The published files number their layers from the latent clamp on, which holds no parameters.
std::shared_ptr<const WeightSource> published_tiny(const WeightFile& encoder, const WeightFile& decoder) {
  return std::make_shared<WeightSource>(WeightSource{"taef2", [=](const std::string& name, const Shape&) {
    const bool is_encoder = name.starts_with("encoder.layers.");
    const std::string rest = name.substr(15);
    const size_t dot = rest.find('.');
    const int layer = std::stoi(rest.substr(0, dot)) + (is_encoder ? 0 : 1);
    return (is_encoder ? encoder : decoder).find(std::to_string(layer) + rest.substr(dot));
  }});
}

TEST(Vae, A_published_tiny_autoencoder_equals_the_reference) {
  const std::filesystem::path folder = shared_data() / "taef2";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder << ": set NIBBLE_SHARED_DATA";
  const GoldenCase golden("vae/taef2");
  const auto source = published_tiny(open_weights(folder / "taef2_encoder.pth"), open_weights(folder / "taef2_decoder.pth"));
  const Json config = {{"_class_name", "AutoencoderTiny"}, {"latent_channels", 32}, {"pool_blocks", true}};
  const auto vae = make_vae(Scope(source, nullptr), VaeConfig::from_json(config, "taef2"), VaeParts::Both);
  Tensor image = moved_axes(golden.input("image"), true).clone();
  for (float& v : image.mutable_values<float>()) v = 2 * v - 1;
  Result r = run_both(*vae, image, moved_axes(golden.input("latents"), true));
  for (float& v : r.decoded.mutable_values<float>()) v = (v + 1) / 2;
  expect_output(golden, "encoded", r.encoded);
  expect_output(golden, "decoded", r.decoded);
}

}  // namespace
}  // namespace nibble::models
