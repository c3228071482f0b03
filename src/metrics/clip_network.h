// A published CLIP as the metrics use it: pictures and texts become vectors of one space.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/plan.h"
#include "image/exact_resize.h"
#include "models/clip/clip_towers.h"
#include "text/clip_tokenizer.h"

namespace nibble {

// What happens to a text of more than 75 tokens.
//   Compat   it loses its end token, so that its vector is the same constant for every long text: torchmetrics with
//            transformers' published configs
//   Correct  the first 75 tokens and the end token, as openai/CLIP and open_clip truncate
enum class LongTexts { Compat, Correct };

struct ClipConvention {
  CropRule crop = CropRule::HuggingFace;
  LongTexts long_texts = LongTexts::Compat;
  bool unescape = false;  // HTML's character references, as openai/CLIP and open_clip do; mojibake is not repaired
};
inline constexpr ClipConvention kTorchMetricsClip{};
inline constexpr ClipConvention kCorrectClip{.long_texts = LongTexts::Correct};
inline constexpr ClipConvention kOpenAiClip{CropRule::Torchvision, LongTexts::Correct, true};  // MLPerf's too

class ClipNetwork {
 public:
  // The context must outlive the network. Throws what open_weights and read_clip_towers throw, and
  // Error{InvalidArgument} where the vocabulary is not OpenAI's.
  ClipNetwork(Context& context, const std::filesystem::path& file);

  int64_t width() const { return towers_.vision.projection; }

  // F32 [n, width], as the projections give them, not of length 1. Pictures of any size, 1, 3 or 4 channels. The result
  // of a picture or text does not depend on its neighbours. Reports progress as "clip pictures" and "clip texts";
  // cancellable.
  Tensor picture_vectors(std::span<const Image> pictures, const ClipConvention& convention = {});
  Tensor text_vectors(std::span<const std::string> texts, const ClipConvention& convention = {});

 private:
  struct Recorded {
    Graph graph;
    std::unique_ptr<Plan> plan;
  };
  Recorded& picture_plan(int64_t batch);
  Recorded& text_plan(int64_t batch);

  Context& context_;
  models::ClipTowers towers_;
  models::ClipTextModel text_;
  models::ClipVisionModel vision_;
  ClipTokenizer tokenizer_;
  std::map<int64_t, Recorded> picture_plans_, text_plans_;  // by batch
};

// Start, tokens and end, padded to 77 with the end id, and the position that is pooled.
struct ClipIds {
  std::vector<int32_t> ids;
  int32_t end;
};
ClipIds clip_ids(const ClipTokenizer& tokenizer, const std::string& text, const ClipConvention& convention);

// 100 cos of row i of a and row j of b; 0 where one of them is all zeros.
double clip_similarity(const Tensor& a, int64_t i, const Tensor& b, int64_t j);

}  // namespace nibble
