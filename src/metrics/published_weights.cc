#include "metrics/published_weights.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "formats/weight_file.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

constexpr ExpectedTensor kInception[] = {{"Conv2d_1a_3x3.conv.weight", {32, 3, 3, 3}},
                                         {"Mixed_7c.branch_pool.conv.weight", {192, 2048, 1, 1}},
                                         {"fc.weight", {1008, 2048}}};
constexpr ExpectedTensor kAlexNet[] = {{"features.0.weight", {64, 3, 11, 11}},
                                       {"features.10.weight", {256, 256, 3, 3}}};
constexpr ExpectedTensor kVgg16[] = {{"features.0.weight", {64, 3, 3, 3}}, {"features.28.weight", {512, 512, 3, 3}}};
constexpr ExpectedTensor kSqueezeNet[] = {{"features.0.weight", {64, 3, 3, 3}},
                                          {"features.12.expand3x3.weight", {256, 64, 3, 3}}};
constexpr ExpectedTensor kLpipsAlex[] = {{"lin1.model.1.weight", {1, 192, 1, 1}},
                                         {"lin4.model.1.weight", {1, 256, 1, 1}}};
constexpr ExpectedTensor kLpipsVgg[] = {{"lin1.model.1.weight", {1, 128, 1, 1}},
                                        {"lin4.model.1.weight", {1, 512, 1, 1}}};
constexpr ExpectedTensor kLpipsSqueeze[] = {{"lin1.model.1.weight", {1, 128, 1, 1}},
                                            {"lin6.model.1.weight", {1, 512, 1, 1}}};
constexpr ExpectedTensor kClipB32[] = {{"visual.conv1.weight", {768, 3, 32, 32}}, {"visual.proj", {768, 512}}};
constexpr ExpectedTensor kClipB32Hf[] = {{"vision_model.embeddings.patch_embedding.weight", {768, 3, 32, 32}},
                                         {"visual_projection.weight", {512, 768}}};
constexpr ExpectedTensor kClipB16[] = {{"visual.conv1.weight", {768, 3, 16, 16}}, {"visual.proj", {768, 512}}};
constexpr ExpectedTensor kClipB16Hf[] = {{"vision_model.embeddings.patch_embedding.weight", {768, 3, 16, 16}},
                                         {"visual_projection.weight", {512, 768}}};
constexpr ExpectedTensor kClipL14[] = {{"visual.conv1.weight", {1024, 3, 14, 14}}, {"visual.proj", {1024, 768}}};
constexpr ExpectedTensor kClipL14Hf[] = {{"vision_model.embeddings.patch_embedding.weight", {1024, 3, 14, 14}},
                                         {"visual_projection.weight", {768, 1024}}};
constexpr ExpectedTensor kImageReward[] = {{"blip.visual_encoder.patch_embed.proj.weight", {1024, 3, 16, 16}},
                                           {"blip.text_encoder.embeddings.word_embeddings.weight", {30524, 768}},
                                           {"mlp.layers.7.weight", {1, 16}}};
constexpr ExpectedTensor kAesthetic[] = {{"layers.0.weight", {1024, 768}}, {"layers.7.weight", {1, 16}}};

constexpr const char* kTorchvision = "torchvision's model zoo publishes it (download.pytorch.org/models)";
constexpr const char* kLpips =
    "the LPIPS repository holds it (github.com/richzhang/PerceptualSimilarity, folder lpips/weights/v0.1)";
constexpr const char* kClip =
    "OpenAI's CLIP repository links it (github.com/openai/CLIP, clip/clip.py); transformers' model.safetensors of the "
    "same network serves too, with --unverified";

constexpr PublishedWeights kRows[] = {
    {"inception-fid", "pt_inception-2015-12-05-6726825d.pth", "6726825d", "Apache-2.0", "FID, KID, Inception Score",
     "pytorch-fid's release fid_weights holds it (github.com/mseitzer/pytorch-fid); torch-fidelity's file is the same",
     kInception},
    {"alexnet", "alexnet-owt-7be5be79.pth", "7be5be79", "BSD-3-Clause", "LPIPS (alex)", kTorchvision, kAlexNet},
    {"vgg16", "vgg16-397923af.pth", "397923af", "BSD-3-Clause", "LPIPS (vgg)", kTorchvision, kVgg16},
    {"squeezenet1-1", "squeezenet1_1-b8a52dc0.pth", "b8a52dc0", "BSD-3-Clause", "LPIPS (squeeze)", kTorchvision,
     kSqueezeNet},
    {"lpips-alex", "alex.pth", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0", "BSD-2-Clause",
     "LPIPS (alex)", kLpips, kLpipsAlex},
    {"lpips-vgg", "vgg.pth", "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868", "BSD-2-Clause",
     "LPIPS (vgg)", kLpips, kLpipsVgg},
    {"lpips-squeeze", "squeeze.pth", "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76", "BSD-2-Clause",
     "LPIPS (squeeze)", kLpips, kLpipsSqueeze},
    {"clip-vit-b-32", "ViT-B-32.pt", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af", "MIT",
     "CLIP score (mlperf)", kClip, kClipB32, kClipB32Hf},
    {"clip-vit-b-16", "ViT-B-16.pt", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f", "MIT",
     "CLIP score", kClip, kClipB16, kClipB16Hf},
    {"clip-vit-l-14", "ViT-L-14.pt", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836", "MIT",
     "CLIP score, CLIP-IQA, aesthetic", kClip, kClipL14, kClipL14Hf},
    {"image-reward", "ImageReward.pt", "", "Apache-2.0", "ImageReward",
     "the ImageReward project publishes it as THUDM/ImageReward on Hugging Face", kImageReward},
    {"bert-vocabulary",
     "vocab.txt",
     "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
     "Apache-2.0",
     "ImageReward",
     "it is vocab.txt of bert-base-uncased on Hugging Face",
     {},
     {},
     30522},
    {"aesthetic", "sac+logos+ava1-l14-linearMSE.pth",
     "21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0", "Apache-2.0", "aesthetic",
     "the improved-aesthetic-predictor repository holds it "
     "(github.com/christophschuhmann/improved-aesthetic-predictor)",
     kAesthetic},
};

std::string shape_text(const ExpectedTensor& tensor) {
  std::string text;
  for (const int64_t size : tensor.shape)
    if (size != 0) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

bool fits(const WeightFile& file, const ExpectedTensor& want) {
  const TensorInfo* found = file.info(want.name);
  if (found == nullptr) return false;
  const auto end = std::find(want.shape.begin(), want.shape.end(), 0);
  return found->shape == Shape(std::vector<int64_t>(want.shape.begin(), end));
}

std::string found_text(const WeightFile& file, const ExpectedTensor& want) {
  const TensorInfo* found = file.info(want.name);
  return found == nullptr ? "no such tensor" : to_string(found->shape);
}

void check_lines(const PublishedWeights& row, const fs::path& file) {
  const std::string text = read_file(file);
  const int64_t lines = std::count(text.begin(), text.end(), '\n') + (!text.empty() && text.back() != '\n');
  if (lines != row.lines)
    fail(ErrorCode::InvalidArgument, "file {}: want the {} lines of {} found {}; {}", file.string(), row.lines,
         row.file, lines, row.source);
}

}  // namespace

std::span<const PublishedWeights> published_weights() { return kRows; }

const PublishedWeights& find_published_weights(std::string_view name) {
  for (const PublishedWeights& row : kRows)
    if (name == row.name) return row;
  std::string known;
  for (const PublishedWeights& row : kRows) known += (known.empty() ? "" : ", ") + std::string(row.name);
  fail(ErrorCode::NotFound, "weights \"{}\": want one of {}", name, known);
}

fs::path weights_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value == nullptr ? "" : value);
  };
  if (const fs::path cache = variable("NIBBLE_CACHE"); !cache.empty()) return cache / "weights";
  if (const fs::path cache = variable("XDG_CACHE_HOME"); !cache.empty()) return cache / "nibble" / "weights";
  if (const fs::path home = variable("HOME"); !home.empty()) return home / ".cache" / "nibble" / "weights";
  fail(ErrorCode::NotFound, "folder of weights: neither NIBBLE_CACHE nor HOME is set; set NIBBLE_CACHE to a folder");
}

fs::path weights_path(const PublishedWeights& row) {
  return weights_folder() / (row.name + fs::path(row.file).extension().string());
}

fs::path require_weights(std::string_view name) {
  const PublishedWeights& row = find_published_weights(name);
  const fs::path file = weights_path(row);
  if (fs::exists(file)) return file;
  fail(ErrorCode::NotFound, "weights {}: needed for {}, found no {}; get {} ({}) and run: nibble weights add {} {}",
       row.name, row.needed_by, file.string(), row.file, row.source, row.name, row.file);
}

void check_weights_structure(const PublishedWeights& row, const fs::path& path) {
  if (row.lines > 0) return check_lines(row, path);
  const WeightFile file = open_weights(path);
  const auto fitting = [&](const ExpectedTensor& tensor) { return fits(file, tensor); };
  if (!row.other_tensors.empty() && std::ranges::all_of(row.other_tensors, fitting)) return;
  for (const ExpectedTensor& want : row.tensors)
    if (!fits(file, want))
      fail(ErrorCode::InvalidArgument, "file {}: not the network of {}: tensor {}: want {} found {}; {}", path.string(),
           row.name, want.name, shape_text(want), found_text(file, want), row.source);
}

}  // namespace nibble
