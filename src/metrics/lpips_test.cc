#include "metrics/lpips.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "base/error.h"
#include "formats/safetensors_writer.h"
#include "formats/weight_file.h"
#include "image/noise_test.h"
#include "image/picture_of_test.h"
#include "models/filled_weights_test.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

const fs::path kLpipsGolden = fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/metrics/lpips/data.safetensors";

fs::path heads_folder() {
  const char* folder = std::getenv("NIBBLE_SHARED_DATA");
  return (folder ? fs::path(folder) : fs::path(NIBBLE_SOURCE_DIR) / "../shared/data") / "lpips";
}

std::shared_ptr<const WeightSource> source_of(const fs::path& path) {
  const WeightFile file = open_weights(path);
  return std::make_shared<WeightSource>(WeightSource{path.string(), [file](const std::string& name, const Shape&) { return file.find(name); }});
}

Lpips filled_lpips(Context& context, LpipsNet net, LpipsEpsilon epsilon = LpipsEpsilon::Original) {
  return Lpips(context, net, filled_weights(), source_of(heads_folder() / (to_string(net) + std::string(".pth"))), epsilon);
}

struct PicturePair {
  std::string name;
  Image a, b;
};

std::vector<PicturePair> lpips_pairs(const GoldenFile& golden) {
  const Image s = smooth(0, 96, 80), n = noise(44, 96, 80);
  Image noisy = s;
  for (size_t i = 0; i < n.pixels.size(); ++i) noisy.pixels[i] = static_cast<uint8_t>(std::clamp(s.pixels[i] + n.pixels[i] / 32 - 4, 0, 255));
  return {{"noise", noise(42, 64, 64), noise(43, 64, 64)},
          {"smooth", s, smooth(1, 96, 80)},
          {"noisy", s, noisy},
          {"black", Image(75, 70, 3), noise(7, 70, 75)},
          {"photo", picture_of(golden["picture.astronaut"]), picture_of(golden["picture.chelsea"])}};
}

// The lpips package and torchmetrics in float64; a float32 network gives their values within 1e-5.
class LpipsGolden : public ::testing::TestWithParam<LpipsNet> {
 protected:
  void SetUp() override {
    if (!fs::exists(heads_folder())) GTEST_SKIP() << "no " << heads_folder() << ": set NIBBLE_SHARED_DATA";
  }
};

TEST_P(LpipsGolden, Equals_the_packages_on_filled_networks_and_the_published_heads) {
  const GoldenFile golden(kLpipsGolden);
  Context context(2);
  Lpips original = filled_lpips(context, GetParam()), other = filled_lpips(context, GetParam(), LpipsEpsilon::TorchMetrics);
  for (const PicturePair& pair : lpips_pairs(golden)) {
    const std::string key = to_string(GetParam()) + ("." + pair.name);
    const std::span<const double> want = golden[key].values<double>();
    const LpipsDistance found = original(pair.a, pair.b);
    EXPECT_NEAR(found.total, want[0], 1e-5 * want[0]) << key;
    ASSERT_EQ(found.taps.size() + 1, want.size());
    for (size_t tap = 0; tap < found.taps.size(); ++tap) EXPECT_NEAR(found.taps[tap], want[tap + 1], 1e-5 * want[0]) << key << " tap " << tap;
    const double theirs = golden[key + ".torchmetrics"].values<double>()[0];
    EXPECT_NEAR(other(pair.a, pair.b).total, theirs, 1e-5 * theirs) << key;
  }
}

INSTANTIATE_TEST_SUITE_P(Nets, LpipsGolden, ::testing::Values(LpipsNet::Alex, LpipsNet::Vgg, LpipsNet::Squeeze),
                         [](const auto& test) { return std::string(to_string(test.param)); });

// Both places of the epsilon; the published heads on filled backbones in float64.
struct Known {
  LpipsNet net;
  double values[3];
};
constexpr Known kKnown[] = {{LpipsNet::Alex, {.0893516140459, .102371204064, .000300334014741}},
                            {LpipsNet::Squeeze, {.146736198921, .101650324435, .000503612229294}}};

TEST(Lpips, Known_values_of_filled_networks_and_the_published_heads) {
  if (!fs::exists(heads_folder())) GTEST_SKIP() << "no " << heads_folder() << ": set NIBBLE_SHARED_DATA";
  Context context(2);
  const std::vector<PicturePair> pairs = lpips_pairs(GoldenFile(kLpipsGolden));
  for (const Known& known : kKnown) {
    Lpips lpips = filled_lpips(context, known.net);
    for (size_t i = 0; i < std::size(known.values); ++i) {
      const double found = lpips(pairs[i].a, pairs[i].b).total;
      EXPECT_NEAR(found, known.values[i], 1e-5 * known.values[i]) << to_string(known.net) << " " << pairs[i].name;
    }
  }
}

TEST(Lpips, Known_values_of_single_taps) {
  if (!fs::exists(heads_folder())) GTEST_SKIP() << "no " << heads_folder() << ": set NIBBLE_SHARED_DATA";
  Context context(2);
  const PicturePair pair = lpips_pairs(GoldenFile(kLpipsGolden))[0];
  const std::pair<LpipsNet, std::vector<double>> known[] = {
      {LpipsNet::Alex, {.044672273, .020230864, .0088648244, .0087882492, .006795404}},
      {LpipsNet::Squeeze, {.11730294, .002517143, .0098083998, .010214799, .0035845549, .0020376025, .0012707561}}};
  for (const auto& [net, want] : known) {
    const std::vector<double> taps = filled_lpips(context, net)(pair.a, pair.b).taps;
    ASSERT_EQ(taps.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(taps[i], want[i], 1e-5 * want[i]) << to_string(net) << " " << i;
  }
}

Tensor head_case(bool first_is_zero) {
  Tensor features = Tensor::zeros(DType::F32, {2, 3, 4, 64});
  for (int y = 0, i = 0; y < 3; ++y)
    for (int x = 0; x < 4; ++x)
      for (int c = 0; c < 64; ++c, ++i) {
        const std::span<float> f = features.mutable_values<float>();
        f[static_cast<size_t>(i)] = first_is_zero ? 0 : static_cast<float>((7 * c + 3 * y + 5 * x) % 11) / 10;
        f[static_cast<size_t>(i + 3 * 4 * 64)] = static_cast<float>((5 * c + 2 * y + 7 * x) % 13) / 12;
      }
  return features;
}

// The head alone. Its features are exact in float64; ours are rounded to float32, 6e-8 of each, signs at random.
TEST(Lpips, The_published_head_of_the_first_tap) {
  if (!fs::exists(heads_folder())) GTEST_SKIP() << "no " << heads_folder() << ": set NIBBLE_SHARED_DATA";
  const Tensor weights = open_weights(heads_folder() / "alex.pth").get("lin0.model.1.weight").to(DType::F32);
  const std::vector<double> head(weights.values<float>().begin(), weights.values<float>().end());
  Context context(2);
  const auto tap = [&](bool zero, LpipsEpsilon epsilon) {
    Tensor features = head_case(zero);
    return lpips_tap(context, {features.mutable_data(), {DType::F32, features.shape()}}, head, epsilon);
  };
  EXPECT_NEAR(tap(false, LpipsEpsilon::Original), .0173216790220394, 2e-9);
  EXPECT_NEAR(tap(false, LpipsEpsilon::TorchMetrics), .017321679015005, 2e-9);
  EXPECT_NEAR(tap(true, LpipsEpsilon::Original), .03567587592791766, 2e-9);
  EXPECT_NEAR(tap(false, LpipsEpsilon::Original) - tap(false, LpipsEpsilon::TorchMetrics), .0173216790220394 - .017321679015005, 1e-13);
}

TEST(Lpips, Equal_pictures_have_no_distance_and_order_does_not_matter) {
  if (!fs::exists(heads_folder())) GTEST_SKIP() << "no " << heads_folder() << ": set NIBBLE_SHARED_DATA";
  Context one(1), two(2);
  Lpips lpips = filled_lpips(one, LpipsNet::Squeeze), threaded = filled_lpips(two, LpipsNet::Squeeze);
  const Image a = noise(1, 50, 61), b = noise(2, 50, 61);
  EXPECT_EQ(lpips(a, a).total, 0);
  const double distance = lpips(a, b).total;
  EXPECT_EQ(distance, threaded(a, b).total);
  EXPECT_NEAR(distance, lpips(b, a).total, 1e-12);
  EXPECT_GT(lpips(noise(1, 40, 40), noise(2, 40, 40)).total, 0);
  EXPECT_EQ(distance, lpips(a, b).total);
}

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Lpips, Wrong_files_are_named) {
  if (!fs::exists(heads_folder())) GTEST_SKIP() << "no " << heads_folder() << ": set NIBBLE_SHARED_DATA";
  Context context(1);
  const fs::path file = fs::temp_directory_path() / ("nibble-lpips-" + std::to_string(std::random_device()()) + ".safetensors");
  write_safetensors(file, {{"features.0.weight", filled_tensor("features.0.weight", {64, 3, 3, 3})},
                           {"features.0.bias", filled_tensor("features.0.bias", {64})}});
  EXPECT_EQ(message_of([&] { Lpips(context, LpipsNet::Alex, file, heads_folder() / "alex.pth"); }),
            "tensor features.0.weight: want [64, 3, 11, 11] found [64, 3, 3, 3] in file " + file.string() +
                "; the config and the weights are of different models");
  EXPECT_NE(message_of([&] { Lpips(context, LpipsNet::Squeeze, file, heads_folder() / "squeeze.pth"); }).find("features.3.squeeze.weight: missing from file " + file.string()),
            std::string::npos);
  EXPECT_NE(message_of([&] { Lpips(context, LpipsNet::Alex, filled_weights(), source_of(heads_folder() / "vgg.pth")); }).find("lin1.model.1.weight: want [1, 192, 1, 1] found [1, 128, 1, 1]"),
            std::string::npos);
  fs::remove(file);
  Lpips lpips = filled_lpips(context, LpipsNet::Alex);
  EXPECT_THROW(lpips(noise(1, 20, 20), noise(2, 20, 20)), Error);
  EXPECT_THROW(lpips(noise(1, 64, 64), noise(2, 64, 65)), Error);
  EXPECT_THROW(lpips_net_from_name("resnet"), Error);
}

}  // namespace
}  // namespace nibble
