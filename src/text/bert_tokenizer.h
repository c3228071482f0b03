// BERT's uncased tokenizer (Devlin et al. 2018) as transformers' BertTokenizer: controls dropped, CJK characters apart,
// lower case, accents stripped, split at blanks and punctuation, then WordPiece, the longest piece first.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace nibble {

class BertTokenizer {
 public:
  // A vocabulary of one piece a line; pieces inside a word begin with "##". Throws Error{Corrupt} naming `where` for a
  // piece that appears twice or a missing [UNK], [CLS], [SEP] or [PAD].
  BertTokenizer(std::string_view vocabulary, const std::string& where);
  static BertTokenizer load(const std::filesystem::path& vocabulary);

  // Ids of the text alone, of any length. [UNK], [CLS], [SEP], [PAD] and [MASK] written out become their ids. Bytes
  // that are not UTF-8 are dropped.
  std::vector<int32_t> encode(std::string_view text) const;

  // [CLS], at most length - 2 ids, [SEP], padded with [PAD].
  struct Padded {
    std::vector<int32_t> ids;
    int64_t used;  // ids that are not padding
  };
  Padded encode_padded(std::string_view text, int64_t length) const;

  int64_t vocabulary_size() const { return static_cast<int64_t>(pieces_.size()); }

 private:
  int32_t require(const char* piece, const std::string& where) const;
  void encode_plain(std::u32string_view text, std::vector<int32_t>& ids) const;
  void encode_word(std::u32string_view word, std::vector<int32_t>& ids) const;

  std::unordered_map<std::string, int32_t> pieces_;
  int32_t unknown_, start_, end_, pad_;
};

}  // namespace nibble
