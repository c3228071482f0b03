// What defines a CLIP tokenizer, read from the files of a model folder or from the packaged vocabulary.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"

namespace nibble {

// The texts of a tokenizer folder as they are stored; what a file lacks is an empty string.
struct TokenizerFiles {
  std::string vocab;               // vocab.json
  std::string merges;              // merges.txt
  std::string tokenizer_config;    // tokenizer_config.json
  std::string special_tokens_map;  // special_tokens_map.json
  std::string tokenizer;           // tokenizer.json; used where vocab.json or merges.txt is absent
};

// Throws Error{NotFound} if the folder holds neither vocab.json with merges.txt nor tokenizer.json.
TokenizerFiles read_tokenizer_files(const std::filesystem::path& folder);

struct SpecialToken {
  std::string text;
  bool normalized;  // looked for after normalization (in any case) rather than in the text as given
};

struct ClipDefinition {
  Bpe::Vocabulary vocabulary;
  Bpe::Merges merges;
  std::string start = "<|startoftext|>";
  std::string end = "<|endoftext|>";
  std::string unknown = "<|endoftext|>";
  std::string pad = "<|endoftext|>";
  std::vector<SpecialToken> specials;  // texts that become one id wherever they occur
  int64_t max_tokens = 77;
};

// Throws Error{Corrupt} for damaged files.
ClipDefinition parse_tokenizer_files(const TokenizerFiles& files);

// OpenAI's published vocabulary of 49,408 tokens, carried inside the library (data/clip/).
ClipDefinition packaged_clip_definition(std::string_view pad);

}  // namespace nibble
