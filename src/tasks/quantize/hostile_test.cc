// Damaged and hostile quantized files: each is an Error when it is opened, or draws; never a crash.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "base/file.h"
#include "formats/safetensors_writer.h"
#include "nn/formula_weights.h"
#include "pipelines/stages.h"
#include "tasks/quantize/quantize.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

const fs::path kModel = fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/pipeline/tiny_sd/model";
const std::string kLayer = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q";

// A quantized file in memory, to be changed.
struct File {
  Metadata metadata;
  Json records;
  std::map<std::string, Tensor> tensors;

  Tensor& of_layer(const std::string& leaf) { return tensors.at(kLayer + "." + leaf); }
  void put(const std::string& leaf, Tensor tensor) { tensors[kLayer + "." + leaf] = std::move(tensor); }
  void resize(const std::string& leaf, int64_t by) {
    const Tensor& old = of_layer(leaf);
    put(leaf, Tensor::zeros(old.dtype(), {old.count() + by}));
  }
  // A branch that adds nothing.
  void add_branch(int64_t rank) {
    const int64_t n = of_layer("scales").count();
    put("down", Tensor::zeros(DType::BF16, {rank, 48, 1, 1}));
    put("up", Tensor::zeros(DType::BF16, {n / kPanelChannels, rank, kPanelChannels}));
    records[kLayer]["rank"] = rank;
  }
};

// The layer's `down` becomes another layer's.
void share_down(File& file) {
  const std::string owner = kLayer.substr(0, kLayer.rfind('.')) + ".to_k";
  file.tensors[owner + ".down"] = file.of_layer("down");
  file.tensors.erase(kLayer + ".down");
  file.records[kLayer][models::kDownOfKey] = owner;
}

void write_tiny_model(const fs::path& folder) {
  fs::copy(kModel, folder, fs::copy_options::recursive);
  const auto source = formula_weights();
  for (const char* part : {"unet", "vae", "text_encoder"}) {
    std::vector<std::pair<std::string, Tensor>> tensors;
    const Json parameters = read_json_file(folder / part / "parameters.json");
    for (const auto& [name, shape] : parameters.items())
      tensors.emplace_back(name, *source->find(name, Shape(shape.get<std::vector<int64_t>>())));
    const char* file =
        std::string(part) == "text_encoder" ? "model.safetensors" : "diffusion_pytorch_model.safetensors";
    write_safetensors(folder / part / file, tensors);
  }
}

class HostileFile : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("nibble_hostile_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    write_tiny_model(folder_ / "tiny");
    Context context(2);
    QuantizeRequest request;
    request.model = (folder_ / "tiny").string();
    request.out = good();
    request.method = "rtn";
    quantize_model(context, request);
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static fs::path good() { return folder_ / "good.safetensors"; }
  static fs::path bad() { return folder_ / "bad.safetensors"; }

  static File read() {
    const WeightFile file = open_weights(good());
    File out{file.metadata(), parse_json(file.metadata().at(models::kLayersKey), "records"), {}};
    for (const TensorInfo& info : file.tensors())
      if (!info.name.starts_with("__pad__")) out.tensors[info.name] = file.get(info.name).clone();
    return out;
  }

  static void write(const File& file) {
    Metadata metadata = file.metadata;
    metadata[models::kLayersKey] = file.records.is_string() ? file.records.get<std::string>() : file.records.dump();
    write_safetensors(bad(), {file.tensors.begin(), file.tensors.end()}, metadata);
  }

  // Opens, binds and runs the denoiser once.
  static void use(const fs::path& file) {
    Context context(2);
    const LoadedModel model = load_model(file.string());
    const LatentShape latent{model.vae.latent_channels, 4, 4};
    DenoiseStage stage(context, model, latent, 4, 1, DType::F32);
    const Tensor text = Tensor::zeros(DType::F32, {1, 4, model.unet.mid.context_width});
    stage.set_prompt({text, {}, {}}, {}, 0, 1);
    std::vector<float> in(static_cast<size_t>(latent.count()), 0.5f), out(in.size());
    stage.run(in, 10, out);
  }

  // The message names the layer, or for damage of the whole file, the file.
  static void refused(const std::string& what, const std::function<void(File&)>& damage,
                      const std::string& named = kLayer.substr(5)) {
    File file = read();
    damage(file);
    write(file);
    try {
      use(bad());
      ADD_FAILURE() << what << ": accepted";
    } catch (const Error& e) {
      EXPECT_NE(e.code(), ErrorCode::Internal) << what << ": " << e.what();
      EXPECT_NE(std::string(e.what()).find(named), std::string::npos) << what << ": " << e.what();
    }
  }

  static inline fs::path folder_;
};

TEST_F(HostileFile, The_undamaged_file_runs_also_with_a_branch) {
  use(good());
  File file = read();
  file.add_branch(8);
  write(file);
  use(bad());
  share_down(file);
  write(file);
  use(bad());
}

TEST_F(HostileFile, Tensors_of_another_size_type_or_content) {
  for (const char* leaf : {"codes", "scales", "ratios"}) {
    refused(std::string("no ") + leaf, [&](File& f) { f.tensors.erase(kLayer + "." + leaf); });
    for (const int64_t by : {-16, 16, 1 << 20}) refused(leaf, [&](File& f) { f.resize(leaf, by); });
    refused(std::string("type of ") + leaf,
            [&](File& f) { f.put(leaf, Tensor::zeros(DType::I32, f.of_layer(leaf).shape())); });
    refused(std::string("shape of ") + leaf, [&](File& f) {
      f.put(leaf, f.of_layer(leaf).reshaped({1, f.of_layer(leaf).count()}));
    });
  }
  for (const int ratio : {-1, kRatioMax + 1, 32767, -32768})
    refused("ratio",
            [&](File& f) { f.of_layer("ratios").mutable_values<int16_t>().back() = static_cast<int16_t>(ratio); });
  for (const float scale : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -3e38f})
    refused("scale", [&](File& f) { f.of_layer("scales").mutable_values<BFloat16>()[1] = to_bf16(scale); });
}

TEST_F(HostileFile, Records_that_the_tensors_contradict) {
  refused("no record", [](File& f) { f.records.erase(kLayer); });
  refused("rank without a branch", [](File& f) { f.records[kLayer]["rank"] = 8; });
  refused("smoothed without a vector", [](File& f) { f.records[kLayer]["smoothed"] = true; });
  refused("int8 codes as int4", [](File& f) { f.records[kLayer]["weights"] = "int8"; });
  refused("another group", [](File& f) { f.records[kLayer]["group"] = 32, f.resize("ratios", 16); });
  refused("a larger rank", [](File& f) { f.add_branch(8), f.records[kLayer]["rank"] = 16; });
  for (const Json& owner : {Json("unet.nowhere"), Json(kLayer), Json(3), Json(nullptr)})
    refused("down of " + owner.dump(),
            [&](File& f) { f.add_branch(8), share_down(f), f.records[kLayer][models::kDownOfKey] = owner; });
  refused("down of another size", [](File& f) { f.add_branch(8), f.resize("down", 8), share_down(f); });
  for (const char* leaf : {"down", "up"}) {
    refused(std::string("size of ") + leaf, [&](File& f) { f.add_branch(8), f.resize(leaf, 8); });
    refused(std::string("type of ") + leaf,
            [&](File& f) { f.add_branch(8), f.put(leaf, f.of_layer(leaf).to(DType::F32)); });
  }
}

TEST_F(HostileFile, Records_with_impossible_values) {
  const auto set = [](const char* key, const Json& value) { return [=](File& f) { f.records[kLayer][key] = value; }; };
  for (const char* kind : {"int3", "float", "", "INT4"}) refused(kind, set("weights", kind));
  for (const char* kind : {"int2", "int16", ""}) refused(kind, set("activations", kind));
  refused("weights are a number", set("weights", 4));
  for (const Json& group : {Json(48), Json(0), Json(-64), Json(1e300), Json(9223372036854775807)})
    refused("group " + group.dump(), set("group", group));
  for (const Json& rank : {Json(1000000000), Json(-1), Json(257), Json(1e300)})
    refused("rank " + rank.dump(), set("rank", rank));
  for (const Json& shift : {Json(-1), Json(1e9), Json(1e308), Json(0.25)})
    refused("shift " + shift.dump(), set("shift", shift));
  refused("no kinds", [](File& f) { f.records[kLayer] = Json::object(); });
  for (const Json& record : {Json(nullptr), Json(3), Json::array({1}), Json("int4")})
    refused("record", [&](File& f) { f.records[kLayer] = record; });
  for (const char* text : {"", "{", "[]", "null", "3", "{\"a\": }"})
    refused(
        text, [&](File& f) { f.records = Json(text); }, models::kLayersKey);
}

TEST_F(HostileFile, Cut_or_changed_anywhere) {
  const std::string bytes = read_file(good());
  std::mt19937 random(1);
  for (int i = 0; i < 40; ++i) {
    const size_t size = random() % bytes.size();
    write_file(bad(), bytes.substr(0, size));
    EXPECT_THROW(use(bad()), Error) << "cut at " << size;
  }
  // Flipped bits of the header: an Error, or a file that still runs.
  size_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  for (int i = 0; i < 60; ++i) {
    std::string changed = bytes;
    for (int flips = 0; flips < 3; ++flips) changed[random() % (header + 8)] ^= static_cast<char>(1 << random() % 8);
    write_file(bad(), changed);
    try {
      use(bad());
    } catch (const Error& e) {
      EXPECT_NE(e.code(), ErrorCode::Internal) << "trial " << i << ": " << e.what();
    }
  }
}

}  // namespace
}  // namespace nibble
