// From a prompt to chunks of token ids with weights, in one of two syntaxes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/clip_tokenizer.h"

namespace nibble {

enum class PromptSyntax {
  Plain,  // diffusers: brackets are literal, text beyond one chunk is cut
  A1111,  // AUTOMATIC1111: (word:1.3), (word), [word], \( \), BREAK, any number of chunks
};

std::optional<PromptSyntax> prompt_syntax_from_name(std::string_view name);  // "plain", "a1111"
const char* to_string(PromptSyntax syntax);

// One run of a text encoder: start, words, end, padding; max_tokens() ids.
struct PromptChunk {
  std::vector<int32_t> ids;
  std::vector<float> weights;  // of each id's embedding row; 1 for start, end and padding
  int64_t end;                 // position of the first end token
};

struct Prompt {
  std::vector<PromptChunk> chunks;  // at least one
  std::string cut;                  // what did not fit (plain syntax), as text for a warning; empty if all did
  bool weighted() const;            // any weight differs from 1
};

struct PromptOptions {
  // A1111: where a chunk is full, what follows its last comma moves on to the next chunk if it is at most this many tokens.
  int64_t comma_backtrack = 20;
};

// Negative prompts are read by the same function. The pipeline multiplies each embedding row by its weight and then scales
// each chunk's embedding so that its mean is what it was before. Throws Error{InvalidArgument} beyond 64 KiB of text.
Prompt parse_prompt(std::string_view text, PromptSyntax syntax, const ClipTokenizer& tokenizer,
                    const PromptOptions& options = {});

// Appends chunks of an empty prompt until there are `count`, so that prompt and negative prompt can share a batch.
void pad_chunks(Prompt& prompt, size_t count, const ClipTokenizer& tokenizer);

}  // namespace nibble
