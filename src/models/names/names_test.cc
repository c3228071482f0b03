#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <iostream>
#include <random>
#include <set>
#include <sstream>

#include "base/file.h"
#include "formats/safetensors_writer.h"
#include "formats/weight_table.h"
#include "models/names/model_source.h"
#include "models/names/original_names.h"

namespace nibble::models {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/names";
constexpr Family kFamilies[] = {Family::Sd1, Family::Sd2, Family::Sdxl, Family::SdxlRefiner};

struct Row {
  std::string original, diffusers;
  Shape shape;
};

// The inverse of front_coded() in make.py.
std::vector<Row> read_rows(const fs::path& file) {
  std::istringstream lines(read_file(file));
  std::vector<Row> rows;
  Row row;
  std::string old_name, new_name, shape;
  const auto decode = [](const std::string& cell, std::string& name) {
    const size_t colon = cell.find(':');
    name = name.substr(0, std::stoul(cell.substr(0, colon))) + cell.substr(colon + 1);
  };
  while (lines >> old_name >> new_name >> shape) {
    decode(old_name, row.original);
    decode(new_name, row.diffusers);
    std::vector<int64_t> dims;
    std::istringstream sizes(shape);
    for (std::string size; std::getline(sizes, size, 'x');) dims.push_back(std::stoll(size));
    row.shape = Shape(dims);
    rows.push_back(row);
  }
  return rows;
}

// A file with these names and shapes and no data.
WeightFile without_data(const std::vector<Row>& rows) {
  WeightTable table{.path = "checkpoint.safetensors", .format = "safetensors"};
  std::set<std::string> seen;
  for (const Row& row : rows)
    if (seen.insert(row.original).second)
      table.tensors.push_back({{row.original, DType::F16, row.shape}, nullptr, {}, nullptr});
  return WeightFile(std::move(table));
}

class Names : public ::testing::TestWithParam<Family> {};

TEST_P(Names, FullSizeCheckpointMapsAsDiffusersLoadsIt) {
  const std::vector<Row> rows = read_rows(kGolden / format("{}.txt", to_string(GetParam())));
  ASSERT_GT(rows.size(), 1000u);
  const WeightFile file = without_data(rows);
  std::set<std::string> wanted, found;
  for (const Row& row : rows)
    if (row.diffusers != "-") wanted.insert(row.original + " " + row.diffusers);
  for (const PartPlace& place : find_parts(file)) {
    const NamedTensors tensors = named_tensors(file, place.prefix, place.naming);
    for (const Row& row : rows)
      if (row.original.starts_with(place.prefix) && tensors.has(row.diffusers))
        found.insert(row.original + " " + row.diffusers);
    size_t mapped = 0;
    for (const Row& row : rows) mapped += row.original.starts_with(place.prefix) && row.diffusers != "-";
    EXPECT_EQ(tensors.tensors().size(), mapped) << place.part;
  }
  for (const std::string& pair : wanted) ASSERT_TRUE(found.contains(pair)) << pair;
}

// Every field of the reference folder's config is ours, or is left at the default of the class.
void expect_config(const Json& ours, const Json& wanted, const Json& defaults, const std::string& what) {
  for (const auto& [key, value] : wanted.items()) {
    const Json otherwise = defaults.value(key, Json());
    EXPECT_EQ(ours.contains(key) ? ours[key] : otherwise, value) << what << " " << key;
  }
}

TEST_P(Names, DeducedConfigsAreTheReferenceFolders) {
  const Json golden = read_json_file(kGolden / "configs.json");
  const std::string family = to_string(GetParam());
  const WeightFile file = without_data(read_rows(kGolden / (family + ".txt")));
  const std::vector<PartPlace> places = find_parts(file);
  EXPECT_EQ(places.size(), golden[family].size());
  const int64_t pooled = GetParam() == Family::Sdxl || GetParam() == Family::SdxlRefiner ? 1280 : 0;
  for (const PartPlace& place : places) {
    const NamedTensors tensors = named_tensors(file, place.prefix, place.naming);
    const std::string part = place.part;
    const Json config = part == "unet"  ? deduce_unet_config(tensors, GetParam(), pooled)
                        : part == "vae" ? deduce_vae_config(tensors, GetParam())
                                        : deduce_clip_config(tensors, GetParam(), part == "text_encoder_2");
    ASSERT_TRUE(golden[family].contains(part)) << part;
    expect_config(config, golden[family][part], golden["defaults"].value(part, Json::object()), family + " " + part);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Names, ::testing::ValuesIn(kFamilies), [](const auto& param) {
  std::string name = to_string(param.param);
  std::erase(name, '-');
  return name;
});

// A small file that keeps the structure of a family: names of the golden list, all shapes cut to at most `most`.
fs::path write_small_checkpoint(const fs::path& folder, Family family, int64_t most,
                                const std::function<bool(const Row&)>& keep) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::set<std::string> seen;
  for (Row row : read_rows(kGolden / format("{}.txt", to_string(family)))) {
    if (!keep(row) || !seen.insert(row.original).second) continue;
    const bool fused = row.original.find("in_proj") != std::string::npos;
    for (int i = 0; i < row.shape.rank(); ++i) row.shape[i] = std::min(row.shape[i], fused && i == 0 ? 3 * most : most);
    tensors.emplace_back(row.original, Tensor::zeros(DType::F16, row.shape));
  }
  const fs::path file = folder / format("{}.safetensors", to_string(family));
  write_safetensors(file, tensors, {}, SafetensorsLayout::Plain);
  return file;
}

class OpenModel : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / format("nibble-names-{}", ::getpid());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(OpenModel, TellsTheFamilyOfASingleFile) {
  for (const Family family : kFamilies) {
    const ModelSource source = open_model(write_small_checkpoint(folder_, family, 8, [](const Row&) { return true; }));
    EXPECT_EQ(source.family, family);
    EXPECT_EQ(source.layout, ModelLayout::Original);
    EXPECT_TRUE(source.missing.empty());
    EXPECT_NE(source.find("scheduler"), nullptr);
    EXPECT_TRUE(source.tensors("unet").find("mid_block.resnets.0.conv1.weight").has_value());
    EXPECT_EQ(source.get("unet").config["in_channels"], 4);
    EXPECT_EQ(source.get("scheduler").config["prediction_type"], family == Family::Sd2 ? "v_prediction" : "epsilon");
  }
}

TEST_F(OpenModel, ToleratesMissingPartsAndNamesThem) {
  const auto no_vae = [](const Row& row) { return !row.original.starts_with("first_stage_model."); };
  const ModelSource source = open_model(write_small_checkpoint(folder_, Family::Sd1, 8, no_vae));
  EXPECT_EQ(source.family, Family::Sd1);
  ASSERT_EQ(source.missing.size(), 1u);
  EXPECT_EQ(source.missing[0].substr(0, 4), "vae:");
  EXPECT_THROW(source.tensors("vae"), Error);

  const auto only_vae = [](const Row& row) { return row.original.starts_with("first_stage_model."); };
  const ModelSource vae = open_model(write_small_checkpoint(folder_, Family::Sd1, 8, only_vae));
  EXPECT_EQ(vae.family, Family::Unknown);
  EXPECT_EQ(vae.found, std::vector<std::string>{"vae (AutoencoderKL)"});
}

TEST_F(OpenModel, ReadsTheMarksOfVPrediction) {
  const fs::path file = write_small_checkpoint(folder_, Family::Sdxl, 8, [](const Row&) { return true; });
  std::vector<std::pair<std::string, Tensor>> tensors;
  {
    const WeightFile weights = open_weights(file);
    for (const TensorInfo& info : weights.tensors()) tensors.emplace_back(info.name, weights.get(info.name));
  }
  tensors.emplace_back("v_pred", Tensor::zeros(DType::F32, {0}));
  tensors.emplace_back("ztsnr", Tensor::zeros(DType::F32, {0}));
  write_safetensors(folder_ / "v.safetensors", tensors);
  const Json scheduler = open_model(folder_ / "v.safetensors").get("scheduler").config;
  EXPECT_EQ(scheduler["prediction_type"], "v_prediction");
  EXPECT_EQ(scheduler["rescale_betas_zero_snr"], true);
}

TEST_F(OpenModel, SaysWhatAnUnknownFileHolds) {
  write_safetensors(folder_ / "flux.safetensors",
                    {{"double_blocks.0.img_attn.qkv.weight", Tensor::zeros(DType::BF16, {2, 2})}});
  const ModelSource source = open_model(folder_ / "flux.safetensors");
  EXPECT_EQ(source.family, Family::Unknown);
  EXPECT_EQ(source.layout, ModelLayout::Unknown);
  EXPECT_EQ(source.found, std::vector<std::string>{"a FLUX transformer"});
  EXPECT_THROW(source.get("unet"), Error);
}

TEST_F(OpenModel, OlderDiffusersNamesOfVaeAndClip) {
  write_safetensors(folder_ / "vae.safetensors",
                    {{"decoder.up_blocks.0.resnets.0.conv1.weight", Tensor::zeros(DType::F32, {2, 2, 3, 3})},
                     {"decoder.mid_block.attentions.0.query.weight", Tensor::zeros(DType::F32, {2, 2, 1, 1})},
                     {"decoder.mid_block.attentions.0.proj_attn.bias", Tensor::zeros(DType::F32, {2})}});
  const NamedTensors vae = named_tensors(open_weights(folder_ / "vae.safetensors"), "", "AutoencoderKL");
  EXPECT_EQ(vae.find("decoder.mid_block.attentions.0.to_q.weight")->shape(), (Shape{2, 2}));
  EXPECT_TRUE(vae.has("decoder.mid_block.attentions.0.to_out.0.bias"));
  write_safetensors(folder_ / "clip.safetensors",
                    {{"embeddings.token_embedding.weight", Tensor::zeros(DType::F32, {3, 2})},
                     {"embeddings.position_ids", Tensor::zeros(DType::I64, {3})}});
  const NamedTensors clip = named_tensors(open_weights(folder_ / "clip.safetensors"), "", "CLIPTextModel");
  EXPECT_TRUE(clip.has("text_model.embeddings.token_embedding.weight"));
  EXPECT_EQ(clip.tensors().size(), 1u);
}

TEST_F(OpenModel, AFolderOfOnePartIsThatPartWhateverItsName) {
  const fs::path folder = folder_ / "my better vae";
  fs::create_directories(folder);
  write_file(folder / "config.json", R"({"_class_name": "AutoencoderKL", "latent_channels": 4})");
  write_safetensors(folder / "diffusion_pytorch_model.safetensors",
                    {{"decoder.mid_block.attentions.0.query.weight", Tensor::zeros(DType::F32, {2, 2})}});
  const ModelSource source = open_model(folder);
  EXPECT_EQ(source.layout, ModelLayout::SinglePart);
  EXPECT_EQ(source.get("vae").config["latent_channels"], 4);
  EXPECT_TRUE(source.tensors("vae").has("decoder.mid_block.attentions.0.to_q.weight"));
}

TEST_F(OpenModel, ReadsTheOneFileLayout) {
  const Json header = {{"format", 1},
                       {"family", "sd1"},
                       {"parts",
                        {{"unet", {{"class", "UNet2DConditionModel"}, {"config", {{"in_channels", 4}}}}},
                         {"tokenizer", {{"class", "CLIPTokenizer"}}}}}};
  const fs::path file = folder_ / "one.safetensors";
  const auto write = [&](const std::string& text) {
    write_safetensors(file, {{"unet.conv_in.weight", Tensor::zeros(DType::BF16, {4, 4, 3, 3})}},
                      {{kOneFileKey, text}, {std::string(kOneFileTextPrefix) + "tokenizer/vocab.json", "{}"}});
  };
  write(header.dump());
  const ModelSource source = open_model(file);
  EXPECT_EQ(source.layout, ModelLayout::OneFile);
  EXPECT_EQ(source.family, Family::Sd1);
  EXPECT_TRUE(source.tensors("unet").has("conv_in.weight"));
  EXPECT_EQ(source.get("unet").config["in_channels"], 4);
  EXPECT_EQ(source.read_text("tokenizer", "vocab.json"), "{}");
  EXPECT_EQ(source.read_text("tokenizer", "merges.txt"), std::nullopt);
  for (const char* bad : {"", "{", "[]", "1", "{}", "{\"format\": 9, \"parts\": {}}",
                          "{\"format\": \"1\", \"parts\": {}}", "{\"format\": 1, \"parts\": []}", "{\"format\": 1}"}) {
    write(bad);
    EXPECT_THROW(open_model(file), Error) << bad;
  }
}

// Checkpoints with parts missing, shapes of any rank and strangers among the names: an Error, or a model without what
// is missing.
TEST_F(OpenModel, DamagedCheckpointsGiveErrors) {
  constexpr uint32_t kSeed = 4711;
  std::mt19937 random(kSeed);
  int errors = 0, opened = 0;
  for (int i = 0; i < 40; ++i) {
    std::vector<std::pair<std::string, Tensor>> tensors;
    std::set<std::string> seen;
    const uint32_t keep = 1 + random() % 100, odd = random() % 100;
    for (Row& row : read_rows(kGolden / format("{}.txt", to_string(kFamilies[random() % 4])))) {
      if (random() % 100 >= keep) continue;
      std::vector<int64_t> dims(static_cast<size_t>(row.shape.rank()));
      if (random() % 100 < odd) dims.resize(random() % 7);
      for (int64_t& dim : dims) dim = static_cast<int64_t>(random() % 4);
      if (random() % 500 == 0) row.original += format(".{}", random());
      if (random() % 500 == 0)
        row.original.insert(row.original.find_first_of("0123456789") + 1, "99999999999999999999");
      if (seen.insert(row.original).second) tensors.emplace_back(row.original, Tensor::zeros(DType::U8, Shape(dims)));
    }
    write_safetensors(folder_ / "x.safetensors", tensors);
    try {
      const ModelSource source = open_model(folder_ / "x.safetensors");
      for (const ModelPart& part : source.parts) {
        if (part.weights.empty()) continue;
        const NamedTensors named = source.tensors(part.name);
        for (const TensorInfo& info : named.tensors()) named.find(info.name);
      }
      ++opened;
    } catch (const Error& e) {
      EXPECT_NE(e.code(), ErrorCode::Internal) << "seed " << kSeed << " case " << i << ": " << e.what();
      ++errors;
    }
  }
  std::cout << errors << " errors, " << opened << " opened\n";
  EXPECT_GT(errors, 10);
}

struct TinyCase {
  const char* name;
  const char* prefix;
  Naming naming;
};

TEST(NamedTensors, ValuesEqualTheLoaders) {
  const WeightFile golden = open_weights(kGolden / "data.safetensors");
  const TinyCase cases[] = {{"unet", "model.diffusion_model.", Naming::OriginalUNet},
                            {"vae", "first_stage_model.", Naming::OriginalVae},
                            {"open_clip", "conditioner.embedders.1.model.", Naming::OpenClip},
                            {"open_clip_23", "cond_stage_model.model.", Naming::OpenClipLastLess}};
  for (const TinyCase& c : cases) {
    const NamedTensors tensors = named_tensors(golden, format("{}/original/{}", c.name, c.prefix), c.naming);
    const std::string wanted = format("{}/diffusers/", c.name);
    size_t count = 0;
    for (const TensorInfo& info : golden.tensors()) {
      if (!info.name.starts_with(wanted)) continue;
      const std::string name = info.name.substr(wanted.size());
      const std::optional<Tensor> found = tensors.find(name);
      ASSERT_TRUE(found) << info.name;
      const Tensor want = golden.get(info.name);
      ASSERT_EQ(found->shape(), want.shape())
          << info.name << " " << to_string(found->shape()) << to_string(want.shape());
      EXPECT_EQ(std::memcmp(found->data(), want.data(), want.bytes()), 0) << info.name;
      ++count;
    }
    EXPECT_GT(count, 20u) << c.name;
    EXPECT_EQ(tensors.tensors().size(), count) << c.name;
  }
}

// The layers that hold tensors, as madebyollin/taesd's taesd_decoder.pth and taesd_encoder.pth number them.
std::vector<Row> published_tiny_half(bool decoder) {
  std::vector<Row> rows;
  const auto add = [&](int64_t layer, const char* name, const Shape& shape) {
    rows.push_back({format("{}.{}", layer, name),
                    format("{}.layers.{}.{}", decoder ? "decoder" : "encoder", decoder ? layer - 1 : layer, name), shape});
  };
  const auto convolution = [&](int64_t layer, int64_t in, int64_t out, bool bias) {
    add(layer, "weight", {out, in, 3, 3});
    if (bias) add(layer, "bias", {out});
  };
  const auto block = [&](int64_t layer) {
    for (const char* name : {"conv.0.weight", "conv.2.weight", "conv.4.weight"}) add(layer, name, {64, 64, 3, 3});
    for (const char* name : {"conv.0.bias", "conv.2.bias", "conv.4.bias"}) add(layer, name, {64});
  };
  if (decoder) {
    convolution(1, 4, 64, true);
    for (const int64_t layer : {3, 4, 5, 8, 9, 10, 13, 14, 15, 18}) block(layer);
    for (const int64_t layer : {7, 12, 17}) convolution(layer, 64, 64, false);
    convolution(19, 64, 3, true);
  } else {
    convolution(0, 3, 64, true);
    for (const int64_t layer : {1, 3, 4, 5, 7, 8, 9, 11, 12, 13}) block(layer);
    for (const int64_t layer : {2, 6, 10}) convolution(layer, 64, 64, false);
    convolution(14, 64, 4, true);
  }
  return rows;
}

TEST(TinyAutoencoderNames, Published_halves_are_found_and_renamed) {
  for (const bool decoder : {true, false}) {
    const std::vector<Row> rows = published_tiny_half(decoder);
    const WeightFile file = without_data(rows);
    const std::vector<PartPlace> places = find_parts(file);
    ASSERT_EQ(places.size(), 1u);
    EXPECT_STREQ(places[0].part, "vae");
    EXPECT_STREQ(places[0].class_name, "AutoencoderTiny");
    const NamedTensors tensors = named_tensors(file, "", places[0].naming);
    for (const Row& row : rows) EXPECT_TRUE(tensors.has(row.diffusers)) << row.original;
    const Json config = deduce_tiny_vae_config(tensors);
    EXPECT_EQ(config["latent_channels"], 4);
    EXPECT_FALSE(config["pool_blocks"].get<bool>());
  }
}

}  // namespace
}  // namespace nibble::models
