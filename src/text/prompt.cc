#include "text/prompt.h"

#include <algorithm>

#include "base/error.h"
#include "text/emphasis.h"

namespace nibble {
namespace {

constexpr size_t kMaxPromptBytes = 1 << 16;

PromptChunk make_chunk(std::vector<int32_t> ids, std::vector<float> weights, const ClipTokenizer& tokenizer) {
  const size_t count = static_cast<size_t>(tokenizer.max_tokens());
  ids.insert(ids.begin(), tokenizer.start_id());
  weights.insert(weights.begin(), 1.0f);
  ids.push_back(tokenizer.end_id());
  const auto end = std::find(ids.begin() + 1, ids.end(), tokenizer.end_id()) - ids.begin();
  ids.resize(count, tokenizer.pad_id());
  weights.resize(count, 1.0f);
  return {std::move(ids), std::move(weights), end};
}

Prompt parse_plain(std::string_view text, const ClipTokenizer& tokenizer) {
  std::vector<int32_t> ids = tokenizer.encode(text);
  const size_t room = static_cast<size_t>(tokenizer.max_tokens() - 2);
  Prompt prompt;
  if (ids.size() > room) {
    prompt.cut = tokenizer.decode(std::span(ids).subspan(room));
    ids.resize(room);
  }
  std::vector<float> weights(ids.size(), 1.0f);
  prompt.chunks.push_back(make_chunk(std::move(ids), std::move(weights), tokenizer));
  return prompt;
}

// Fills chunk after chunk; a full one is cut at its last comma if that is near enough to its end.
class ChunkFiller {
 public:
  ChunkFiller(const ClipTokenizer& tokenizer, int64_t comma_backtrack)
      : tokenizer_(tokenizer),
        room_(static_cast<size_t>(tokenizer.max_tokens() - 2)),
        comma_backtrack_(comma_backtrack),
        comma_id_(tokenizer.comma_id()) {}

  void add(int32_t id, float weight) {
    if (id == comma_id_) {
      after_comma_ = ids_.size() + 1;
    } else if (ids_.size() == room_ && after_comma_ > 0 &&
               static_cast<int64_t>(ids_.size() - after_comma_) < comma_backtrack_) {
      break_after_comma();
    }
    if (ids_.size() == room_) finish();
    ids_.push_back(id);
    weights_.push_back(weight);
  }

  void finish() {
    chunks_.push_back(make_chunk(std::move(ids_), std::move(weights_), tokenizer_));
    ids_.clear();
    weights_.clear();
    after_comma_ = 0;
  }

  std::vector<PromptChunk> take() {
    if (!ids_.empty() || chunks_.empty()) finish();
    return std::move(chunks_);
  }

 private:
  void break_after_comma() {
    const auto split = static_cast<std::ptrdiff_t>(after_comma_);
    std::vector<int32_t> moved_ids(ids_.begin() + split, ids_.end());
    std::vector<float> moved_weights(weights_.begin() + split, weights_.end());
    ids_.resize(after_comma_);
    weights_.resize(after_comma_);
    finish();
    ids_ = std::move(moved_ids);
    weights_ = std::move(moved_weights);
  }

  const ClipTokenizer& tokenizer_;
  size_t room_;
  int64_t comma_backtrack_;
  int32_t comma_id_;
  size_t after_comma_ = 0;  // position after the chunk's last comma; 0 if it has none
  std::vector<int32_t> ids_;
  std::vector<float> weights_;
  std::vector<PromptChunk> chunks_;
};

Prompt parse_a1111(std::string_view text, const ClipTokenizer& tokenizer, const PromptOptions& options) {
  ChunkFiller filler(tokenizer, options.comma_backtrack);
  for (const WeightedText& part : parse_emphasis(text)) {
    if (part.is_break) {
      filler.finish();
      continue;
    }
    for (const int32_t id : tokenizer.encode(part.text)) filler.add(id, static_cast<float>(part.weight));
  }
  return {filler.take(), {}};
}

}  // namespace

std::optional<PromptSyntax> prompt_syntax_from_name(std::string_view name) {
  if (name == "plain") return PromptSyntax::Plain;
  if (name == "a1111") return PromptSyntax::A1111;
  return std::nullopt;
}

const char* to_string(PromptSyntax syntax) { return syntax == PromptSyntax::Plain ? "plain" : "a1111"; }

bool Prompt::weighted() const {
  return std::any_of(chunks.begin(), chunks.end(), [](const PromptChunk& chunk) {
    return std::any_of(chunk.weights.begin(), chunk.weights.end(), [](float weight) { return weight != 1.0f; });
  });
}

Prompt parse_prompt(std::string_view text, PromptSyntax syntax, const ClipTokenizer& tokenizer,
                    const PromptOptions& options) {
  if (text.size() > kMaxPromptBytes) {
    fail(ErrorCode::InvalidArgument, "prompt: want at most {} bytes, found {}; shorten it", kMaxPromptBytes, text.size());
  }
  return syntax == PromptSyntax::Plain ? parse_plain(text, tokenizer) : parse_a1111(text, tokenizer, options);
}

void pad_chunks(Prompt& prompt, size_t count, const ClipTokenizer& tokenizer) {
  while (prompt.chunks.size() < count) prompt.chunks.push_back(make_chunk({}, {}, tokenizer));
}

}  // namespace nibble
