#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "formats/model_folder.h"
#include "formats/safetensors_writer.h"
#include "formats/weight_file.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/formats";

// A fresh folder that goes away with the test.
class Formats : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / format("nibble-formats-{}", ::getpid());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

fs::path shared_data() {
  const char* given = std::getenv("NIBBLE_SHARED_DATA");
  return given != nullptr ? fs::path(given) : fs::path(NIBBLE_SOURCE_DIR) / "../shared/data";
}

void expect_equal(const Tensor& a, const Tensor& b, const std::string& name) {
  ASSERT_EQ(a.dtype(), b.dtype()) << name;
  ASSERT_EQ(a.shape(), b.shape()) << name << " " << to_string(a.shape()) << " " << to_string(b.shape());
  EXPECT_TRUE(a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0) << name;
}

// Every file of a golden folder holds the tensors that expected.safetensors (written by the reference library) holds.
void expect_same_tensors(const WeightFile& found, const WeightFile& wanted) {
  ASSERT_EQ(found.tensors().size(), wanted.tensors().size()) << found.path();
  for (const TensorInfo& info : wanted.tensors()) {
    const std::optional<Tensor> tensor = found.find(info.name);
    ASSERT_TRUE(tensor) << found.path() << " " << info.name;
    expect_equal(*tensor, wanted.get(info.name), info.name);
  }
}

ErrorCode code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode::Internal;
}

TEST_F(Formats, TorchZipHoldsWhatTorchWrote) {
  expect_same_tensors(open_weights(kGolden / "dtypes.pth"), open_weights(kGolden / "expected.safetensors"));
}

TEST_F(Formats, TorchNestedDictionaryJoinsKeysWithDots) {
  const WeightFile file = open_weights(kGolden / "nested.pt");
  EXPECT_EQ(file.format(), "torch");
  std::vector<std::string> names;
  for (const TensorInfo& info : file.tensors()) names.push_back(info.name);
  EXPECT_EQ(names, (std::vector<std::string>{"a.weight", "a.list.0", "a.list.1", "b", "3.x"}));
  EXPECT_EQ(file.metadata().at("epoch"), "7");
  EXPECT_EQ(file.metadata().at("note"), "hello");
}

TEST_F(Formats, TorchWrapperIsStrippedAndStridesAreGathered) {
  const WeightFile wanted = open_weights(kGolden / "expected.safetensors");
  expect_same_tensors(open_weights(kGolden / "checkpoint.ckpt"), wanted);
  expect_same_tensors(open_weights(kGolden / "strided.pth"), wanted);
}

TEST_F(Formats, TorchLegacyStreamIsRead) {
  expect_same_tensors(open_weights(kGolden / "legacy.pth"), open_weights(kGolden / "expected.safetensors"));
}

TEST_F(Formats, NpyInBothOrders) {
  const Tensor wanted = open_weights(kGolden / "expected.safetensors").get("f32");
  expect_equal(open_weights(kGolden / "array.npy").get("array"), wanted, "array");
  expect_equal(open_weights(kGolden / "fortran.npy").get("array"), wanted, "fortran");
}

TEST_F(Formats, ShardedIndexAndFolder) {
  const WeightFile wanted = open_weights(kGolden / "expected.safetensors");
  const WeightFile index = open_weights(kGolden / "sharded/model.safetensors.index.json");
  EXPECT_EQ(index.format(), "sharded safetensors");
  expect_same_tensors(index, wanted);
  expect_same_tensors(open_weights(kGolden / "sharded"), wanted);
}

TEST_F(Formats, TensorsAreViewsOfTheMap) {
  const WeightFile file = open_weights(kGolden / "dtypes.pth");
  EXPECT_EQ(file.get("f32").data(), file.get("f32").data());
  const Tensor outlives = open_weights(kGolden / "expected.safetensors").get("bf16");
  EXPECT_EQ(outlives.dtype(), DType::BF16);
  file.drop_pages();
  expect_equal(file.get("bf16"), outlives, "after drop_pages");
}

TEST_F(Formats, WriterRoundTripsDeterministicallyAndAligned) {
  const WeightFile source = open_weights(kGolden / "expected.safetensors");
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const TensorInfo& info : source.tensors()) tensors.emplace_back(info.name, source.get(info.name));
  for (const SafetensorsLayout layout : {SafetensorsLayout::Aligned, SafetensorsLayout::Plain}) {
    write_safetensors(folder_ / "a.safetensors", tensors, {{"b", "2"}, {"a", "1 \"quoted\" \u00e9"}}, layout);
    write_safetensors(folder_ / "b.safetensors", tensors, {{"a", "1 \"quoted\" \u00e9"}, {"b", "2"}}, layout);
    EXPECT_EQ(read_file(folder_ / "a.safetensors"), read_file(folder_ / "b.safetensors"));
    const WeightFile written = open_weights(folder_ / "a.safetensors");
    expect_same_tensors(written, source);
    EXPECT_EQ(written.metadata(), (Metadata{{"a", "1 \"quoted\" \u00e9"}, {"b", "2"}}));
    if (layout == SafetensorsLayout::Plain) continue;
    for (const TensorInfo& info : written.tensors())
      EXPECT_EQ(reinterpret_cast<uintptr_t>(written.get(info.name).data()) % 64, 0u) << info.name;
  }
}

TEST_F(Formats, UnfinishedWriterLeavesNothing) {
  {
    SafetensorsWriter writer(folder_ / "x.safetensors", {{"a", DType::F32, Shape{2}}});
    const float half = 1;
    writer.write_bytes(&half, sizeof half);
  }
  EXPECT_TRUE(fs::is_empty(folder_));
  EXPECT_EQ(code_of([&] {
              SafetensorsWriter(folder_ / "x", {{"a", DType::F32, Shape{2}}, {"a", DType::F32, Shape{2}}});
            }),
            ErrorCode::InvalidArgument);
}

TEST_F(Formats, ErrorsSayWhatIsWrong) {
  const auto message = [&](const std::string& name, std::string_view bytes) {
    write_file(folder_ / name, bytes);
    try {
      open_weights(folder_ / name);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_NE(message("a.safetensors", "version https://git-lfs.github.com/spec/v1\n").find("git lfs pull"),
            std::string::npos);
  EXPECT_NE(message("b.safetensors", "<!DOCTYPE html>").find("web page"), std::string::npos);
  EXPECT_NE(message("c.bin", "").find("empty"), std::string::npos);
  const std::string whole = read_file(kGolden / "expected.safetensors");
  const std::string cut = message("d.safetensors", std::string_view(whole).substr(0, whole.size() - 5));
  EXPECT_NE(cut.find(format("want {} bytes, found {}", whole.size(), whole.size() - 5)), std::string::npos) << cut;
  EXPECT_NE(cut.find("download it again"), std::string::npos) << cut;
  const std::string module = [&] {
    try {
      open_weights(kGolden / "module.pt");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  }();
  EXPECT_NE(module.find("torch.nn.modules.linear.Linear"), std::string::npos) << module;
  EXPECT_EQ(code_of([&] { open_weights(folder_ / "none.safetensors"); }), ErrorCode::NotFound);
  EXPECT_EQ(code_of([&] { open_weights(kGolden / "float8.safetensors"); }), ErrorCode::Unsupported);
}

TEST_F(Formats, ScriptProgramsGiveTheirTensors) {
  const WeightFile program = open_weights(kGolden / "script/program.pt");
  expect_same_tensors(program, open_weights(kGolden / "script/data.safetensors"));
}

TEST_F(Formats, ModelFolderNamesPartsAndWhatIsMissing) {
  const auto touch = [&](const std::string& name, std::string_view text) {
    fs::create_directories((folder_ / name).parent_path());
    write_file(folder_ / name, text);
  };
  touch("model_index.json", R"({"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"], "scheduler": ["diffusers", "PNDMScheduler"], "safety_checker": [null, null],
    "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"]})");
  touch("unet/config.json", R"({"in_channels": 4})");
  touch("unet/diffusion_pytorch_model.fp16.safetensors", "");
  touch("unet/diffusion_pytorch_model.bin", "");
  touch("vae/config.json", "{}");
  touch("scheduler/scheduler_config.json", R"({"steps_offset": 1})");
  touch("tokenizer/vocab.json", "{}");
  touch("tokenizer/merges.txt", "");
  const ModelFolder model = read_model_folder(folder_);
  EXPECT_EQ(model.pipeline, "StableDiffusionPipeline");
  EXPECT_EQ(model.components.size(), 5u);
  EXPECT_EQ(model.find("unet")->config["in_channels"], 4);
  EXPECT_EQ(model.find("unet")->weights->filename(), "diffusion_pytorch_model.fp16.safetensors");
  EXPECT_EQ(model.find("scheduler")->config["steps_offset"], 1);
  EXPECT_EQ(model.find("safety_checker"), nullptr);
  ASSERT_EQ(model.missing.size(), 2u);
  EXPECT_EQ(model.missing[0].substr(0, 12), "text_encoder");
  EXPECT_EQ(model.missing[1].substr(0, 4), "vae:");
  touch("unet/diffusion_pytorch_model.safetensors", "");
  EXPECT_EQ(read_model_folder(folder_).find("unet")->weights->filename(), "diffusion_pytorch_model.safetensors");
  EXPECT_EQ(read_model_folder(folder_, "fp16").find("unet")->weights->filename(),
            "diffusion_pytorch_model.fp16.safetensors");
  EXPECT_EQ(code_of([&] { read_model_folder(folder_ / "none"); }), ErrorCode::NotFound);
}

struct RealFile {
  const char* name;
  size_t tensors;
  const char* tensor;
  Shape shape;
};

TEST_F(Formats, RealFilesOpen) {
  if (!fs::exists(shared_data() / "taef2")) GTEST_SKIP() << "no shared data at " << shared_data();
  const RealFile files[] = {{"taef2/taef2_decoder.pth", 79, "1.weight", {64, 32, 3, 3}},
                            {"taef2/taef2_encoder.pth", 79, "0.weight", {64, 3, 3, 3}},
                            {"lpips/alex.pth", 5, "lin1.model.1.weight", {1, 192, 1, 1}},
                            {"lpips/vgg.pth", 5, "lin0.model.1.weight", {1, 64, 1, 1}},
                            {"lpips/squeeze.pth", 7, "lin0.model.1.weight", {1, 64, 1, 1}},
                            {"lora/gors_color_unet.pt", 256, "1", {4, 320}},
                            {"lora/gors_color_text_encoder.pt", 184, "0", {1024, 4}},
                            {"aesthetic/sac+logos+ava1-l14-linearMSE.pth", 10, "layers.0.weight", {1024, 768}},
                            {"coco/latents.npy", 1, "array", {1, 4, 128, 128}}};
  for (const RealFile& real : files) {
    const WeightFile file = open_weights(shared_data() / real.name);
    EXPECT_EQ(file.tensors().size(), real.tensors) << real.name;
    const Tensor tensor = file.get(real.tensor);
    EXPECT_EQ(tensor.shape(), real.shape) << real.name;
    EXPECT_TRUE(std::isfinite(element(tensor, tensor.count() - 1))) << real.name;
  }
}

}  // namespace
}  // namespace nibble
