#include "models/clip/clip_towers.h"

#include <cmath>

#include "base/error.h"
#include "models/names/original_names.h"

namespace nibble::models {
namespace {

constexpr int64_t kTowerHeadWidth = 64;

class Sizes {
 public:
  Sizes(const NamedTensors& tensors, std::string where) : tensors_(tensors), where_(std::move(where)) {}

  Shape shape(const std::string& name, int rank) const {
    const std::optional<TensorInfo> found = tensors_.info(name);
    if (!found)
      fail(ErrorCode::InvalidArgument,
           "file {}: want a CLIP with both towers, found no tensor {}; take the whole model, see nibble weights list",
           where_, name);
    if (found->shape.rank() != rank)
      fail(ErrorCode::Corrupt, "file {}: tensor {}: want {} dimensions found {}", where_, name, rank,
           to_string(found->shape));
    return found->shape;
  }
  int64_t layers(const std::string& prefix) const {
    int64_t n = 0;
    while (tensors_.has(format("{}.encoder.layers.{}.layer_norm1.weight", prefix, n))) ++n;
    if (n == 0)
      fail(ErrorCode::InvalidArgument,
           "file {}: want a CLIP, found no layers of its {}; take the whole model, see nibble weights list", where_,
           prefix);
    return n;
  }
  int64_t heads(int64_t width) const {
    if (width % kTowerHeadWidth != 0)
      fail(ErrorCode::Unsupported, "file {}: width {}: want a multiple of {}, the width of CLIP's heads", where_, width,
           kTowerHeadWidth);
    return width / kTowerHeadWidth;
  }

 private:
  const NamedTensors& tensors_;
  std::string where_;
};

ClipConfig text_config(const Sizes& s) {
  const Shape tokens = s.shape("text_model.embeddings.token_embedding.weight", 2);
  ClipConfig k;
  k.vocabulary = tokens[0];
  k.width = tokens[1];
  k.positions = s.shape("text_model.embeddings.position_embedding.weight", 2)[0];
  k.mlp_width = s.shape("text_model.encoder.layers.0.mlp.fc1.weight", 2)[0];
  k.layers = s.layers("text_model");
  k.heads = s.heads(k.width);
  k.projection = s.shape("text_projection.weight", 2)[0];
  return k;
}

ClipVisionConfig vision_config(const Sizes& s, const std::string& where) {
  const Shape patches = s.shape("vision_model.embeddings.patch_embedding.weight", 4);
  const int64_t positions = s.shape("vision_model.embeddings.position_embedding.weight", 2)[0];
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(positions - 1))));
  if (side * side + 1 != positions)
    fail(ErrorCode::Corrupt, "file {}: {} positions of pictures: want a square number and one", where, positions);
  ClipVisionConfig k;
  k.width = patches[0];
  k.patch = patches[2];
  k.image = side * k.patch;
  k.mlp_width = s.shape("vision_model.encoder.layers.0.mlp.fc1.weight", 2)[0];
  k.layers = s.layers("vision_model");
  k.heads = s.heads(k.width);
  k.projection = s.shape("visual_projection.weight", 2)[0];
  return k;
}

}  // namespace

ClipTowers read_clip_towers(const WeightFile& file) {
  const std::string where = file.path().string();
  const bool original = file.has("visual.proj");
  const NamedTensors text = named_tensors(file, "", original ? Naming::OpenClip : Naming::AsStored);
  const NamedTensors vision = original ? named_tensors(file, "visual.", Naming::OpenClipVision) : text;
  ClipTowers towers{text_config(Sizes(text, where)), vision_config(Sizes(vision, where), where),
                    weight_source(text, where), weight_source(vision, where)};
  if (towers.text.projection != towers.vision.projection)
    fail(ErrorCode::Corrupt, "file {}: texts are projected to {} numbers, pictures to {}", where,
         towers.text.projection, towers.vision.projection);
  return towers;
}

}  // namespace nibble::models
