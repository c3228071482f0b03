#include "metrics/image_reward.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.h"
#include "formats/safetensors_writer.h"
#include "image/noise_test.h"
#include "nn/formula_weights.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

using Tensors = std::vector<std::pair<std::string, Tensor>>;

fs::path vocabulary() {
  const char* folder = std::getenv("NIBBLE_SHARED_DATA");
  return (folder != nullptr ? fs::path(folder) : fs::path(NIBBLE_SOURCE_DIR) / ".." / "shared" / "data") / "bert" /
         "vocab.txt";
}

// The tiny network of tests/golden/metrics/image_reward/make.py under ImageReward's names.
Tensors tiny_network() {
  models::BlipConfig config;
  config.vision = {.image = 32, .patch = 8, .width = 128, .mlp_width = 256, .layers = 2, .heads = 2};
  config.text = {.vocabulary = 30524, .positions = 40, .width = 64, .mlp_width = 128, .layers = 2, .heads = 1};
  ParameterList list;
  const Scope scope(formula_weights(), &list);
  const models::BlipVision vision(scope / "blip" / "visual_encoder", config.vision);
  const models::BlipText text(scope / "blip" / "text_encoder", config.text, config.vision.width);
  int64_t width = config.text.width;
  const std::pair<int, int64_t> head[] = {{0, 48}, {2, 32}, {4, 16}, {6, 8}, {7, 1}};
  for (const auto& [place, size] : head) {
    const nn::Linear layer(scope / "mlp" / "layers" / place, width, size);
    width = size;
  }
  Tensors tensors;
  for (const Parameter& p : list.parameters) tensors.emplace_back(p.name, p.tensor);
  return tensors;
}

class ImageRewardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(vocabulary())) GTEST_SKIP() << "no " << vocabulary() << "; set NIBBLE_SHARED_DATA";
    file = fs::temp_directory_path() / format("nibble-{}-image-reward.safetensors", ::getpid());
    write_safetensors(file, tiny_network());
  }
  void TearDown() override { fs::remove(file); }
  fs::path file;
  Context context{2};
};

TEST_F(ImageRewardTest, Rewards_equal_the_reference) {
  const GoldenFile golden(fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/metrics/image_reward/data.safetensors");
  const std::vector<Image> pictures = {noise(46, 48, 64),    smooth(3, 48, 64),    smooth(5, 32, 32),
                                       noise(47, 63, 40, 4), noise(48, 32, 47, 1), smooth(7, 90, 60)};
  std::vector<std::string> prompts;
  const std::string text = golden.text("prompts");
  size_t begin = 0;
  for (const int32_t end : golden["prompt_ends"].values<int32_t>()) {
    prompts.push_back(text.substr(begin, static_cast<size_t>(end) - begin));
    begin = static_cast<size_t>(end);
  }
  ImageReward network(context, file, vocabulary());
  const std::vector<double> rewards = network.rewards(pictures, prompts);
  const auto want = golden["rewards"].values<double>();
  ASSERT_EQ(rewards.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(rewards[i], want[i], 2e-5) << i;  // float32 against float64

  // Alone, on one thread: the same bits.
  Context alone(1);
  ImageReward other(alone, file, vocabulary());
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_EQ(other.rewards({&pictures[i], 1}, {&prompts[i], 1})[0], rewards[i]) << i;
  EXPECT_THROW(network.rewards(pictures, {&prompts[0], 1}), Error);
}

TEST_F(ImageRewardTest, Wrong_files_are_named) {
  const auto message = [&](const fs::path& words) {
    try {
      ImageReward(context, file, words);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const fs::path small = file.string() + ".txt";
  write_file(small, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
  EXPECT_NE(message(small).find("want the vocabulary of 30522 pieces"), std::string::npos) << message(small);
  fs::remove(small);
  Tensors tensors = tiny_network();
  std::erase_if(tensors, [](const auto& row) {
    return row.first == "blip.text_encoder.encoder.layer.1.crossattention.self.key.weight";
  });
  write_safetensors(file, tensors);
  EXPECT_NE(message(vocabulary()).find("crossattention.self.key.weight: missing"), std::string::npos)
      << message(vocabulary());
  write_safetensors(file, {{"x", Tensor::zeros(DType::F32, {2})}});
  EXPECT_NE(message(vocabulary()).find("want ImageReward's BLIP"), std::string::npos) << message(vocabulary());
}

// The mean and the deviation that ImageReward takes off.
TEST(ImageRewardScale, Equals_the_numeric_cases) {
  EXPECT_NEAR(image_reward_of(0), -.161779965684, 1e-12);
  EXPECT_NEAR(image_reward_of(1), .805956197780, 1e-12);
}

}  // namespace
}  // namespace nibble
