#include "models/vae/vae.h"

#include <cstring>

#include "base/random.h"
#include "models/golden_case.h"
#include "models/names/model_source.h"
#include "nn/formula_weights.h"

namespace nibble::models {
namespace {

std::string vae_label_of(const std::string& name) {
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
  if (!tiny) expect_activations(golden, r.activations, vae_label_of);
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

TEST(Vae, A_published_tiny_autoencoder_equals_the_reference) {
  const std::filesystem::path folder = shared_data() / "taef2";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder << ": set NIBBLE_SHARED_DATA";
  const GoldenCase golden("vae/taef2");
  const ModelSource halves[] = {open_model(folder / "taef2_encoder.pth"), open_model(folder / "taef2_decoder.pth")};
  const Json config = halves[1].get("vae").config;
  EXPECT_EQ(halves[0].get("vae").config, config);
  EXPECT_EQ(config["latent_channels"], 32);
  EXPECT_TRUE(config["pool_blocks"].get<bool>());
  const auto both = std::make_shared<WeightSource>(WeightSource{"taef2", [&](const std::string& name, const Shape& wanted) {
    return halves[name.starts_with("decoder.") ? 1 : 0].weights("vae")->find(name, wanted);
  }});
  const auto vae = make_vae(Scope(both, nullptr), VaeConfig::from_json(config, "taef2"), VaeParts::Both);
  Tensor image = moved_axes(golden.input("image"), true).clone();
  for (float& v : image.mutable_values<float>()) v = 2 * v - 1;
  Result r = run_both(*vae, image, moved_axes(golden.input("latents"), true));
  for (float& v : r.decoded.mutable_values<float>()) v = (v + 1) / 2;
  expect_output(golden, "encoded", r.encoded);
  expect_output(golden, "decoded", r.decoded);
}

struct Decoded {
  Tensor picture;
  size_t arena_bytes;
};

Decoded decode_in_strips(const Vae& vae, const Tensor& latents, DType precision, int64_t strips) {
  Context context(2);
  Graph graph;
  const Value latent = graph.input("latents", {precision, latents.shape()}, Rate::Step);
  Plan plan(context, graph, {vae.decode(latent, {&context, strips})});
  plan.bind(latent, latents);
  plan.run();
  Tensor first = plan.output_copy(0);
  plan.bind(latent, latents);
  plan.run();
  const Tensor again = plan.output_copy(0);
  EXPECT_EQ(std::memcmp(first.data(), again.data(), first.bytes()), 0);
  return {std::move(first), plan.arena_bytes()};
}

Tensor gaussian_latents(const Shape& shape) {
  Tensor latents = Tensor::zeros(DType::F32, shape);
  Generator(7).randn(latents.mutable_values<float>());
  return latents;
}

class VaeStrips : public ::testing::TestWithParam<const char*> {};

// Convolutions may sum in another order for another height, so float32 within the rounding of a few hundred terms a level:
// 1e-4 of a picture of about unit range is 80 dB. A wrong halo or a strip's own statistics are wrong by 1e-2 and more.
TEST_P(VaeStrips, Decode_what_the_whole_picture_decodes_to_in_less_memory) {
  const GoldenCase golden(std::string("vae/") + GetParam());
  const auto vae = make_vae(Scope(formula_weights(), nullptr), unscaled(golden), VaeParts::Decoder);
  for (const Shape& shape : {Shape{1, 24, 10, vae->config().latent_channels}, Shape{1, 13, 7, vae->config().latent_channels}}) {
    const Tensor latents = gaussian_latents(shape);
    const Decoded whole = decode_in_strips(*vae, latents, DType::F32, 1);
    double square = 0;
    for (const float v : whole.picture.values<float>()) square += static_cast<double>(v) * static_cast<double>(v);
    const double limit = 1e-4 * std::sqrt(square / static_cast<double>(whole.picture.count()));
    for (const int64_t strips : {2, 3, 8}) {
      const Decoded parts = decode_in_strips(*vae, latents, DType::F32, strips);
      if (shape[1] == 24 && strips == 8) {
        EXPECT_LT(parts.arena_bytes, whole.arena_bytes);
      }
      ASSERT_EQ(parts.picture.shape(), whole.picture.shape());
      for (int64_t i = 0; i < whole.picture.count(); ++i)
        ASSERT_NEAR(element(parts.picture, i), element(whole.picture, i), limit) << strips << " strips, element " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, VaeStrips, ::testing::Values("kl_tiny", "kl16_tiny", "taesd_tiny"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace nibble::models
