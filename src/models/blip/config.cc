#include <cmath>

#include "base/error.h"
#include "models/blip/blip.h"
#include "models/config_reader.h"

namespace nibble::models {
namespace {

constexpr int64_t kHeadWidth = 64;

Shape shape_of(const WeightFile& file, const std::string& name, int rank) {
  const TensorInfo* info = file.info(name);
  if (info == nullptr)
    fail(ErrorCode::InvalidArgument,
         "file {}: want ImageReward's BLIP, found no tensor {}; take ImageReward.pt, see nibble weights list",
         file.path().string(), name);
  if (info->shape.rank() != rank)
    fail(ErrorCode::Corrupt, "file {}: tensor {}: want {} dimensions found {}", file.path().string(), name, rank,
         to_string(info->shape));
  return info->shape;
}

int64_t count_layers(const WeightFile& file, const std::string& before, const std::string& after) {
  int64_t n = 0;
  while (file.has(before + std::to_string(n) + after)) ++n;
  return n;
}

int64_t heads_of(const WeightFile& file, int64_t width) {
  if (width % kHeadWidth != 0)
    fail(ErrorCode::Unsupported, "file {}: width {}: want a multiple of {}, the width of BLIP's heads",
         file.path().string(), width, kHeadWidth);
  return width / kHeadWidth;
}

}  // namespace

BlipConfig BlipConfig::from_json(const Json& json, const std::string& where) {
  const ConfigReader v(json.value("vision", Json::object()), where + " (vision)"),
      t(json.value("text", Json::object()), where + " (text)");
  BlipConfig c;
  c.vision.image = v.size("image", c.vision.image), c.vision.patch = v.size("patch", c.vision.patch);
  c.vision.width = v.size("width", c.vision.width), c.vision.mlp_width = v.size("mlp_width", c.vision.mlp_width);
  c.vision.layers = v.size("layers", c.vision.layers), c.vision.heads = v.size("heads", c.vision.heads);
  c.text.vocabulary = t.size("vocabulary", c.text.vocabulary), c.text.positions = t.size("positions", c.text.positions);
  c.text.width = t.size("width", c.text.width), c.text.mlp_width = t.size("mlp_width", c.text.mlp_width);
  c.text.layers = t.size("layers", c.text.layers), c.text.heads = t.size("heads", c.text.heads);
  return c;
}

BlipConfig BlipConfig::deduce(const WeightFile& file, const std::string& prefix) {
  const std::string visual = prefix + "visual_encoder.", text = prefix + "text_encoder.";
  const Shape patches = shape_of(file, visual + "patch_embed.proj.weight", 4);
  const int64_t positions = shape_of(file, visual + "pos_embed", 3)[1];
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(positions - 1))));
  if (side * side + 1 != positions)
    fail(ErrorCode::Corrupt, "file {}: {} positions of pictures: want a square number and one", file.path().string(),
         positions);
  const Shape words = shape_of(file, text + "embeddings.word_embeddings.weight", 2);
  BlipConfig c;
  c.vision = {.image = side * patches[2],
              .patch = patches[2],
              .width = patches[0],
              .mlp_width = shape_of(file, visual + "blocks.0.mlp.fc1.weight", 2)[0],
              .layers = count_layers(file, visual + "blocks.", ".norm1.weight"),
              .heads = heads_of(file, patches[0])};
  c.text = {.vocabulary = words[0],
            .positions = shape_of(file, text + "embeddings.position_embeddings.weight", 2)[0],
            .width = words[1],
            .mlp_width = shape_of(file, text + "encoder.layer.0.intermediate.dense.weight", 2)[0],
            .layers = count_layers(file, text + "encoder.layer.", ".output.dense.weight"),
            .heads = heads_of(file, words[1])};
  return c;
}

}  // namespace nibble::models
