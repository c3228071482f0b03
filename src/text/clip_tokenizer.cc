#include "text/clip_tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "text/unicode.h"

namespace nibble {
namespace {

std::u32string normalize(std::u32string_view text) {
  std::u32string spaced;
  bool in_space = false;
  for (const char32_t c : to_nfc(text)) {
    const bool space = is_space(c);
    if (!space) spaced.push_back(c);
    if (space && !in_space) spaced.push_back(U' ');
    in_space = space;
  }
  return to_lower(spaced);
}

// Length of a contraction at the front of `text` ('s 't 're 've 'm 'll 'd), or 0.
size_t contraction_length(std::u32string_view text) {
  for (const std::u32string_view ending : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"}) {
    if (text.starts_with(ending)) return ending.size();
  }
  return 0;
}

enum class Kind { Space, Letter, Number, Other };

Kind kind_of(char32_t c) {
  if (is_letter(c)) return Kind::Letter;
  if (is_number(c)) return Kind::Number;
  return is_space(c) ? Kind::Space : Kind::Other;
}

// Length of the word at the front of non-empty `text`: a contraction, a run of letters, one digit, a run of other
// characters, or one space.
size_t word_length(std::u32string_view text) {
  if (const size_t length = contraction_length(text)) return length;
  const Kind kind = kind_of(text.front());
  if (kind == Kind::Number || kind == Kind::Space) return 1;
  size_t length = 1;
  while (length < text.size() && kind_of(text[length]) == kind) ++length;
  return length;
}

// A special token as it looks after lower-casing is split apart from what follows it, although it is no longer special.
size_t marker_length(std::u32string_view text) {
  for (const std::u32string_view marker : {U"<|startoftext|>", U"<|endoftext|>"}) {
    if (text.starts_with(marker)) return marker.size();
  }
  return 0;
}

}  // namespace

ClipTokenizer::ClipTokenizer(ClipDefinition definition)
    : bpe_([&] {
        const auto unknown = definition.vocabulary.find(definition.unknown);
        if (unknown == definition.vocabulary.end()) {
          fail(ErrorCode::Corrupt, "tokenizer, unknown token \"{}\": not in the vocabulary", definition.unknown);
        }
        const int32_t unknown_id = unknown->second;
        return Bpe(std::move(definition.vocabulary), definition.merges, unknown_id);
      }()),
      start_id_(require(definition.start, "start")),
      end_id_(require(definition.end, "end")),
      pad_id_(require(definition.pad, "padding")),
      max_tokens_(definition.max_tokens) {
  for (const SpecialToken& special : definition.specials) {
    const std::u32string text = decode_utf8(special.text);
    const int32_t id = require(special.text, "special");
    if (special.normalized) {
      normalized_specials_.push_back({normalize(text), id});
    } else {
      raw_specials_.push_back({text, id});
    }
  }
}

int32_t ClipTokenizer::require(const std::string& token, const char* role) const {
  const int32_t id = bpe_.find(token);
  if (id < 0) {
    fail(ErrorCode::Corrupt, "tokenizer, {} token \"{}\": not in the vocabulary; fetch the tokenizer again", role, token);
  }
  return id;
}

std::vector<int32_t> ClipTokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids;
  // Calls `piece` on what lies between the special tokens of `text`; of those at one place the longest is taken.
  const auto split = [&ids](std::u32string_view whole, const std::vector<Special>& specials, const auto& piece) {
    size_t begin = 0;
    for (size_t at = 0; at < whole.size();) {
      const Special* best = nullptr;
      for (const Special& special : specials) {
        if (whole.substr(at).starts_with(special.text) && (!best || special.text.size() > best->text.size())) {
          best = &special;
        }
      }
      if (!best || best->text.empty()) {
        ++at;
        continue;
      }
      piece(whole.substr(begin, at - begin));
      ids.push_back(best->id);
      at += best->text.size();
      begin = at;
    }
    piece(whole.substr(begin));
  };
  const std::u32string points = decode_utf8(text);
  split(points, raw_specials_, [&](std::u32string_view raw) {
    if (raw.empty()) return;
    const std::u32string normalized = normalize(raw);
    split(normalized, normalized_specials_, [&](std::u32string_view words) { encode_words(words, ids); });
  });
  return ids;
}

void ClipTokenizer::encode_words(std::u32string_view text, std::vector<int32_t>& ids) const {
  size_t marker_left = 0;
  while (!text.empty()) {
    if (marker_left == 0) marker_left = marker_length(text);
    const size_t length = word_length(marker_left > 0 ? text.substr(0, marker_left) : text);
    const std::u32string_view word = text.substr(0, length);
    if (!is_space(word.front())) bpe_.encode_word(encode_utf8(word), ids);
    text.remove_prefix(length);
    marker_left -= std::min(marker_left, length);
  }
}

std::string ClipTokenizer::decode(std::span<const int32_t> ids) const {
  std::vector<int32_t> words;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(words),
               [&](int32_t id) { return id != start_id_ && id != end_id_; });
  std::string text = bpe_.decode(words);
  if (text.ends_with(' ')) text.pop_back();
  return text;
}

}  // namespace nibble
