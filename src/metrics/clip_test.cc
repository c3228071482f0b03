#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "formats/safetensors_writer.h"
#include "image/noise_test.h"
#include "metrics/clip_iqa.h"
#include "metrics/clip_score.h"
#include "nn/formula_weights.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

using Tensors = std::vector<std::pair<std::string, Tensor>>;

struct TemporaryFile {
  explicit TemporaryFile(const std::string& name)
      : path(fs::temp_directory_path() / (format("nibble-{}-", getpid()) + name)) {}
  ~TemporaryFile() { fs::remove(path); }
  fs::path path;
};

// A CLIP of formula weights under transformers' names.
Tensors transformers_clip(int64_t width, int64_t projection) {
  ParameterList list;
  const Scope scope(formula_weights(), &list);
  models::ClipConfig text{
      .width = width, .mlp_width = 2 * width, .layers = 2, .heads = width / 64, .projection = projection};
  models::ClipVisionConfig vision{.image = 32,
                                  .patch = 8,
                                  .width = width,
                                  .mlp_width = 2 * width,
                                  .layers = 2,
                                  .heads = width / 64,
                                  .projection = projection};
  const models::ClipTextModel text_model(scope, text);
  const models::ClipVisionModel vision_model(scope, vision);
  Tensors tensors;
  for (const Parameter& p : list.parameters) tensors.emplace_back(p.name, p.tensor);
  return tensors;
}

// A tiny CLIP: OpenAI's names, values by their own rule.
class OpenAiFill {
 public:
  void add(const std::string& name, const Shape& shape) {
    Tensor tensor = Tensor::zeros(DType::F32, shape);
    uint64_t seed = 0xCBF29CE484222325u, i = 0;
    for (const char c : name) seed = (seed ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
    const auto rank = shape.rank();
    double factor = 0.05, offset = 0;  // a bias
    if (name.find("embedding") != std::string::npos)
      factor = 0.5;
    else if (name == "visual.proj" || name == "text_projection")
      factor = std::sqrt(3.0 / static_cast<double>(shape[0]));
    else if (name.find("ln_") != std::string::npos && name.ends_with("weight"))
      factor = 0.25, offset = 1;
    else if (!name.ends_with("bias"))
      factor = std::sqrt(3.0 / static_cast<double>(shape.count(1, rank)));
    for (float& value : tensor.mutable_values<float>()) {
      uint64_t z = seed + ++i * 0x9E3779B97F4A7C15u;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
      z ^= z >> 31;
      value = static_cast<float>((2 * static_cast<double>(z >> 40) * 0x1p-24 - 1) * factor + offset);
    }
    tensors.emplace_back(name, tensor);
  }
  void add_norm(const std::string& path, int64_t width) {
    add(path + ".weight", {width});
    add(path + ".bias", {width});
  }
  void add_layers(const std::string& tower, int64_t width) {
    for (int64_t i = 0; i < 2; ++i) {
      const std::string b = format("{}transformer.resblocks.{}.", tower, i);
      add(b + "attn.in_proj_weight", {3 * width, width});
      add(b + "attn.in_proj_bias", {3 * width});
      add(b + "attn.out_proj.weight", {width, width});
      add(b + "attn.out_proj.bias", {width});
      add(b + "mlp.c_fc.weight", {4 * width, width});
      add(b + "mlp.c_fc.bias", {4 * width});
      add(b + "mlp.c_proj.weight", {width, 4 * width});
      add(b + "mlp.c_proj.bias", {width});
      add_norm(b + "ln_1", width);
      add_norm(b + "ln_2", width);
    }
  }
  Tensors tensors;
};

Tensors openai_clip() {
  OpenAiFill fill;
  fill.add("visual.class_embedding", {128});
  fill.add("visual.positional_embedding", {17, 128});
  fill.add("visual.conv1.weight", {128, 3, 8, 8});
  fill.add("visual.proj", {128, 16});
  fill.add_norm("visual.ln_pre", 128);
  fill.add_norm("visual.ln_post", 128);
  fill.add_layers("visual.", 128);
  fill.add("token_embedding.weight", {49408, 128});
  fill.add("positional_embedding", {77, 128});
  fill.add("text_projection", {128, 16});
  fill.add_norm("ln_final", 128);
  fill.add_layers("", 128);
  return fill.tensors;
}

double norm_of(const Tensor& vectors, int64_t row) {
  double sum = 0;
  for (int64_t k = 0; k < vectors.dim(1); ++k)
    sum += std::pow(static_cast<double>(element(vectors, row * vectors.dim(1) + k)), 2);
  return std::sqrt(sum);
}

void expect_vector(const Tensor& vectors, int64_t row, std::initializer_list<double> first, double norm) {
  const double found = norm_of(vectors, row);
  int64_t k = row * vectors.dim(1);
  for (const double want : first)
    EXPECT_NEAR(static_cast<double>(element(vectors, k++)), want, 1e-5 * found) << "row " << row;
  if (norm > 0) {
    EXPECT_NEAR(found, norm, 1e-5 * norm) << "row " << row;
  }
}

class OpenAiClip : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    file = std::make_unique<TemporaryFile>("openai-clip.safetensors");
    write_safetensors(file->path, openai_clip());
  }
  static void TearDownTestSuite() { file.reset(); }
  void SetUp() override { network = std::make_unique<ClipNetwork>(context, file->path); }

  static inline std::unique_ptr<TemporaryFile> file;
  Context context{2};
  std::unique_ptr<ClipNetwork> network;
};

// float32 against OpenAI's module in float64: 1e-5 of the vector's length an element.
TEST_F(OpenAiClip, Vectors_and_scores_equal_the_numeric_cases) {
  const Image pictures[] = {noise(42, 32, 32), smooth(0, 32, 32)};
  const std::string texts[] = {"a photo of a cat", "Good photo.", "Bad photo."};
  const Tensor seen = network->picture_vectors(pictures), said = network->text_vectors(texts);
  expect_vector(seen, 0, {.02737716718, -1.27317141297, -1.21768270607, 1.35959088928}, 3.64949439477);
  expect_vector(seen, 1, {.00628131131, -.80405895333, -1.49503695017, 1.10815998578}, 3.54268578106);
  expect_vector(said, 0, {-.06248972893, -1.07750254220, .68536956351, -.67349257173}, 4.62353802229);
  expect_vector(said, 1, {.16869701203, -1.25411368339, .70122039793, -.79604114360}, 5.16979191819);
  expect_vector(said, 2, {-.65916649120, -1.03392429548, .73993170334, .11626973684}, 4.52018665029);
  const double want[2][3] = {{-2.07893863123, -19.14341132635, 1.70098718845},
                             {-1.43535121395, .04575856351, 18.28967298297}};
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 3; ++j) EXPECT_NEAR(clip_similarity(seen, i, said, j), want[i][j], 1e-4);
  const std::vector<double> iqa = clip_iqa(*network, pictures, find_clip_iqa_pair("quality"));
  EXPECT_NEAR(iqa[0], .8859164095e-9, 1e-4 * .8859164095e-9);  // an exponent of 20 carries errors of 1e-5 · 20
  EXPECT_NEAR(iqa[1], 1.193352189e-8, 1e-4 * 1.193352189e-8);
  const std::string cats[] = {texts[0], texts[0]};
  EXPECT_EQ(clip_score(clip_scores(*network, pictures, cats)), 0);
}

// The published files hold 16-bit floats: rounding weights moves a vector by about 2^-11 of its length a layer.
TEST_F(OpenAiClip, Weights_in_half_precision_give_nearly_the_same_vectors) {
  const TemporaryFile half("half-clip.safetensors");
  Tensors tensors;
  const WeightFile whole = open_weights(file->path);
  for (const TensorInfo& info : whole.tensors()) tensors.emplace_back(info.name, whole.get(info.name).to(DType::F16));
  write_safetensors(half.path, tensors, {}, SafetensorsLayout::Plain);
  ClipNetwork rounded(context, half.path);
  const Image pictures[] = {noise(42, 32, 32)};
  const std::string texts[] = {"a photo of a cat"};
  EXPECT_GT(clip_similarity(network->picture_vectors(pictures), 0, rounded.picture_vectors(pictures), 0), 99.999);
  EXPECT_GT(clip_similarity(network->text_vectors(texts), 0, rounded.text_vectors(texts), 0), 99.999);
}

TEST_F(OpenAiClip, Long_texts_lose_their_end_in_compat_and_keep_it_in_correct) {
  std::string words;
  for (int i = 0; i < 76; ++i) words += "a ";  // 320 each
  const std::string texts[] = {words, words + "photo of a cat", "beautiful British garden"};
  const Tensor compat = network->text_vectors(texts), correct = network->text_vectors(texts, kCorrectClip);
  for (const int64_t row : {0, 1})
    expect_vector(compat, row, {-.48495210007, -1.97665376712, .01591333556, 1.12655161575}, 0);
  EXPECT_LT(std::abs(clip_similarity(compat, 0, correct, 0)), 99);
  EXPECT_NEAR(clip_similarity(compat, 2, correct, 2), 100, 1e-9);

  std::vector<int32_t> ids(77, 343);
  const ClipTokenizer tokenizer = ClipTokenizer::packaged();
  const std::string dogs = [&] {
    std::string text;
    for (int i = 0; i < 80; ++i) text += tokenizer.decode(std::vector<int32_t>{343}) + " ";
    return text;
  }();
  EXPECT_EQ(clip_ids(tokenizer, dogs, kCorrectClip).ids[75], 343);
  EXPECT_EQ(clip_ids(tokenizer, dogs, kCorrectClip).ids[76], 49407);
  EXPECT_EQ(clip_ids(tokenizer, dogs, kCorrectClip).end, 76);
  EXPECT_EQ(clip_ids(tokenizer, dogs, kTorchMetricsClip).ids[76], 343);
  EXPECT_EQ(clip_ids(tokenizer, dogs, kTorchMetricsClip).end, 0);
  const std::string again[] = {dogs};
  expect_vector(network->text_vectors(again, kCorrectClip), 0,
                {.67655500825, -.26851277972, .45805963044, .34017750958}, 0);
  expect_vector(network->text_vectors(again), 0, {-.48495210007, -1.97665376712, .01591333556, 1.12655161575}, 0);
}

TEST_F(OpenAiClip, A_picture_has_the_same_vector_in_any_company_and_with_any_threads) {
  std::vector<Image> pictures;
  for (int i = 0; i < 11; ++i) pictures.push_back(noise(static_cast<uint64_t>(50 + i), 40, 36));
  const Tensor together = network->picture_vectors(pictures);
  Context alone(1);
  ClipNetwork other(alone, file->path);
  for (size_t i = 0; i < pictures.size(); ++i) {
    const Tensor one = other.picture_vectors({&pictures[i], 1});
    const auto row = together.rows(static_cast<int64_t>(i), static_cast<int64_t>(i) + 1);
    EXPECT_TRUE(std::ranges::equal(one.values<float>(), row.values<float>())) << i;
  }
  context.cancel = true;
  EXPECT_THROW(network->picture_vectors(pictures), Error);
}

TEST(Clip, Scores_equal_torchmetrics) {
  const GoldenFile golden(fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/metrics/clip_score/data.safetensors");
  const TemporaryFile file("transformers-clip.safetensors");
  write_safetensors(file.path, transformers_clip(128, 24));
  Context context(2);
  ClipNetwork network(context, file.path);
  const std::vector<Image> pictures = {noise(46, 48, 64), smooth(3, 48, 64), smooth(5, 32, 32), noise(47, 31, 50),
                                       smooth(7, 90, 60), noise(48, 32, 47), smooth(9, 65, 48), smooth(1, 47, 32)};
  std::vector<std::string> prompts;
  const std::string text = golden.text("prompts");
  for (const int32_t end : golden["prompt_ends"].values<int32_t>()) {
    size_t begin = 0;
    for (const std::string& prompt : prompts) begin += prompt.size();
    prompts.push_back(text.substr(begin, static_cast<size_t>(end) - begin));
  }
  ASSERT_EQ(prompts.size(), pictures.size());

  const Tensor seen = network.picture_vectors(pictures), want = golden["picture_vectors"];
  for (int64_t i = 0; i < seen.count(); ++i)
    EXPECT_NEAR(static_cast<double>(element(seen, i)), static_cast<double>(element(want, i)),
                1e-5 * norm_of(want, i / 24))
        << i;
  const std::vector<double> scores = clip_scores(network, pictures, prompts);
  for (size_t i = 0; i < scores.size(); ++i)
    EXPECT_NEAR(scores[i], static_cast<double>(element(golden["scores"], static_cast<int64_t>(i))), 1e-3) << prompts[i];
  EXPECT_NEAR(clip_score(std::span(scores).first(3)), static_cast<double>(element(golden["means"], 0)), 1e-3);
  EXPECT_NEAR(clip_score(scores), static_cast<double>(element(golden["means"], 1)), 1e-3);
  int64_t pair = 0;
  for (const char* name : {"quality", "sharpness", "relaxing"}) {
    const std::vector<double> iqa = clip_iqa(network, pictures, find_clip_iqa_pair(name));
    for (size_t i = 0; i < iqa.size(); ++i)
      EXPECT_NEAR(iqa[i], static_cast<double>(element(golden["iqa"], static_cast<int64_t>(3 * i) + pair)), 1e-4)
          << name << i;
    ++pair;
  }
}

TEST(Clip, Wrong_files_and_arguments_are_named) {
  const auto message = [](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  Context context(1);
  const TemporaryFile file("no-clip.safetensors");
  write_safetensors(file.path, {{"features.0.weight", Tensor::zeros(DType::F32, {4, 4})}});
  EXPECT_NE(message([&] { ClipNetwork(context, file.path); }).find("want a CLIP with both towers"), std::string::npos);
  Tensors small = transformers_clip(64, 8);
  for (auto& [name, tensor] : small)
    if (name == "text_model.embeddings.token_embedding.weight") tensor = tensor.rows(0, 1000);
  write_safetensors(file.path, small);
  EXPECT_NE(message([&] { ClipNetwork(context, file.path); }).find("want a CLIP of 49408 tokens"), std::string::npos);
  small.erase(small.begin() + 5);
  write_safetensors(file.path, small);
  EXPECT_NE(message([&] { ClipNetwork(context, file.path); }).find("missing from"), std::string::npos);
  EXPECT_NE(message([&] { find_clip_iqa_pair("nice"); }).find("quality, brightness"), std::string::npos);
  EXPECT_TRUE(std::isnan(clip_score({})));
}

}  // namespace
}  // namespace nibble
