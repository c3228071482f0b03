#include "metrics/inception_features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"
#include "formats/safetensors_writer.h"
#include "image/noise_test.h"
#include "image/picture_of_test.h"
#include "models/filled_weights_test.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

// |found - want| <= 1e-5 of the norm, sums within 1e-4.
void expect_features(const std::string& name, std::span<const float> found, std::span<const float> want) {
  ASSERT_EQ(found.size(), want.size()) << name;
  double square = 0, sum = 0, size = 0, worst = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double difference = static_cast<double>(found[i]) - static_cast<double>(want[i]);
    square += static_cast<double>(want[i]) * static_cast<double>(want[i]);
    sum += difference, size += std::abs(static_cast<double>(want[i]));
    worst = std::max(worst, std::abs(difference));
  }
  EXPECT_LE(worst, 1e-5 * std::sqrt(square)) << name;
  EXPECT_LE(std::abs(sum), 1e-4 * size) << name;
}

TEST(InceptionFeatures, Equal_the_packages_in_every_pipeline) {
  const GoldenFile golden(std::filesystem::path(NIBBLE_SOURCE_DIR) / "tests/golden/metrics/inception/data.safetensors");
  const char* names[] = {"astronaut", "chelsea", "noise", "smooth"};
  const std::vector<Image> pictures = {picture_of(golden["picture.astronaut"]), picture_of(golden["picture.chelsea"]), noise(42, 48, 64),
                                       smooth(3, 330, 310)};
  Context context(2);
  InceptionFeatures features(context, filled_weights());
  for (const FidPipeline& pipeline : fid_pipelines()) {
    const Tensor found = features(pictures, pipeline);
    for (size_t i = 0; i < pictures.size(); ++i) {
      const std::string key = std::string(pipeline.name) + "." + names[i];
      expect_features(key, found.values<float>().subspan(i * 2048, 2048), golden[key].values<float>());
    }
  }
  const std::pair<InceptionTap, const char*> taps[] = {{InceptionTap::Low64, "tap.64"}, {InceptionTap::Low192, "tap.192"}, {InceptionTap::Mid768, "tap.768"}};
  for (const auto& [tap, key] : taps)
    expect_features(key, features({&pictures[2], 1}, find_fid_pipeline("pytorch-fid"), tap).values<float>(), golden[key].values<float>());
  const FidPipeline& fidelity = find_fid_pipeline("torch-fidelity");
  expect_features("logits_unbiased", features({&pictures[2], 1}, fidelity, InceptionTap::LogitsUnbiased).values<float>(),
                  golden["tap.logits_unbiased"].values<float>());
  expect_features("logits", features({&pictures[2], 1}, fidelity, InceptionTap::Logits).values<float>(), golden["tap.logits"].values<float>());
}

TEST(InceptionFeatures, Wrong_files_and_names_are_errors) {
  Context context(1);
  const std::filesystem::path file = std::filesystem::temp_directory_path() / ("nibble-inception-" + std::to_string(std::random_device()()) + ".safetensors");
  write_safetensors(file, {{"features.0.weight", filled_tensor("features.0.weight", {64, 3, 3, 3})}});
  try {
    InceptionFeatures features(context, file);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("tensor Conv2d_1a_3x3.conv.weight: missing from file " + file.string() + ", want [32, 3, 3, 3]"), 0u)
        << error.what();
  }
  std::filesystem::remove(file);
  EXPECT_THROW(find_fid_pipeline("fid"), Error);
  EXPECT_STREQ(find_fid_pipeline("clean-fid").name, "clean-fid");
}

}  // namespace
}  // namespace nibble
