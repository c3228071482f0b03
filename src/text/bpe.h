// Byte-level byte-pair encoding with a word-end marker (Sennrich et al. 2016; the byte alphabet of GPT-2; CLIP's "</w>").
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace nibble {

inline constexpr std::string_view kWordEnd = "</w>";

// A byte's printable stand-in, in UTF-8: printable Latin-1 bytes stand for themselves, the others are U+0100 upwards.
std::string byte_symbol(uint8_t byte);
bool is_own_symbol(uint8_t byte);

class Bpe {
 public:
  using Vocabulary = std::unordered_map<std::string, int32_t>;
  using Merges = std::vector<std::pair<std::string, std::string>>;  // best first

  // Throws Error{Corrupt} where a merge or its result is not in the vocabulary, or an id is negative. Bytes that the
  // vocabulary lacks become `unknown_id`.
  Bpe(Vocabulary vocabulary, const Merges& merges, int32_t unknown_id);

  // Appends the ids of one non-empty word, whose last byte carries the word-end marker.
  void encode_word(std::string_view word, std::vector<int32_t>& ids) const;

  // The bytes of the ids in turn; a word end becomes one space. Ids without a token are skipped.
  std::string decode(std::span<const int32_t> ids) const;

  // −1 where absent.
  int32_t find(std::string_view token) const;
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }  // largest id + 1

 private:
  struct Merge {
    int32_t rank;
    int32_t id;
  };
  const Merge* find_merge(int32_t left, int32_t right) const;

  Vocabulary vocabulary_;
  std::vector<std::string> tokens_;               // [id]
  std::unordered_map<uint64_t, Merge> merges_;    // left id << 32 | right id
  std::vector<int32_t> byte_ids_;                 // [256 inner, 256 at the word end]
};

}  // namespace nibble
