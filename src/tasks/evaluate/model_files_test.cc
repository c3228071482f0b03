#include "tasks/evaluate/model_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "formats/safetensors_writer.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

class ModelFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("nibble_model_files_" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "unet");
    write_file(folder_ / "model_index.json",
               R"({"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]})");
    write_file(folder_ / "unet/config.json", R"({"_class_name": "UNet2DConditionModel"})");
    write_safetensors(folder_ / "unet/one.safetensors", {{"a", Tensor::zeros(DType::F32, {3})}});
    write_safetensors(folder_ / "unet/two.safetensors", {{"b", Tensor::zeros(DType::F32, {5})}});
    write_file(folder_ / "unet/diffusion_pytorch_model.safetensors.index.json",
               R"({"weight_map": {"b": "two.safetensors", "a": "one.safetensors"}})");
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string sum_of(const std::string& file) const {
    const std::string bytes = read_file(folder_ / file);
    Sha256 hash;
    hash.add(bytes.data(), bytes.size());
    return hash.hex();
  }

  fs::path folder_;
};

TEST_F(ModelFiles, Shards_are_listed_each_with_its_checksum) {
  Context context(1);
  std::vector<std::string> stages;
  context.progress = [&](const std::string& stage, int64_t, int64_t) { stages.push_back(stage); };
  Checksums known;
  const std::vector<ModelFile> files = model_files(context, models::open_model(folder_), known);
  ASSERT_EQ(files.size(), 2u);
  for (const ModelFile& file : files) {
    EXPECT_EQ(file.sha256, sum_of(file.name));
    EXPECT_EQ(file.bytes, fs::file_size(folder_ / file.name));
  }
  EXPECT_EQ(files[0].name, fs::path("unet/one.safetensors"));
  EXPECT_EQ(stages.front(), "checksum unet/one.safetensors");
}

TEST_F(ModelFiles, A_file_is_read_once_for_all_arms) {
  Context context(1);
  Checksums known;
  const models::ModelSource source = models::open_model(folder_);
  model_files(context, source, known);
  context.progress = [](const std::string& stage, int64_t, int64_t) { FAIL() << stage; };
  EXPECT_EQ(model_files(context, source, known)[1].sha256, sum_of("unet/two.safetensors"));
}

}  // namespace
}  // namespace nibble
