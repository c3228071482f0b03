// CLIP's tokenizer as transformers' CLIPTokenizer: NFC, white space collapsed, lower case, CLIP's split, byte-level BPE.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"
#include "text/clip_files.h"

namespace nibble {

class ClipTokenizer {
 public:
  // Throws Error{Corrupt} where a special token or a merge is not in the vocabulary.
  explicit ClipTokenizer(ClipDefinition definition);

  // OpenAI's vocabulary, 77 tokens. `pad` is "<|endoftext|>" for Stable Diffusion 1 and SDXL's first encoder, "!" for
  // Stable Diffusion 2 and SDXL's second encoder.
  static ClipTokenizer packaged(std::string_view pad = "<|endoftext|>") {
    return ClipTokenizer(packaged_clip_definition(pad));
  }
  static ClipTokenizer load(const std::filesystem::path& folder) {
    return ClipTokenizer(parse_tokenizer_files(read_tokenizer_files(folder)));
  }

  // Ids of the text alone, without start, end and padding, of any length. Bytes that are not UTF-8 become U+FFFD.
  // A special token written out in the text becomes its id, as in transformers (so "!" is id 0 where it is the padding).
  std::vector<int32_t> encode(std::string_view text) const;

  // Readable text of ids, start and end left out; words are separated by one space.
  std::string decode(std::span<const int32_t> ids) const;

  int32_t start_id() const { return start_id_; }
  int32_t end_id() const { return end_id_; }
  int32_t pad_id() const { return pad_id_; }
  int32_t comma_id() const { return bpe_.find(",</w>"); }  // −1 where absent
  int64_t max_tokens() const { return max_tokens_; }       // of one chunk, with start and end
  int64_t vocabulary_size() const { return bpe_.size(); }  // largest id + 1

 private:
  struct Special {
    std::u32string text;
    int32_t id;
  };
  void encode_words(std::u32string_view text, std::vector<int32_t>& ids) const;
  int32_t require(const std::string& token, const char* role) const;

  Bpe bpe_;
  std::vector<Special> raw_specials_, normalized_specials_;
  int32_t start_id_, end_id_, pad_id_;
  int64_t max_tokens_;
};

}  // namespace nibble
