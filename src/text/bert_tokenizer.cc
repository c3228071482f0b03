#include "text/bert_tokenizer.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "text/unicode.h"

namespace nibble {
namespace {

constexpr char32_t kReplacement = 0xFFFD, kSigma = 0x3A3, kSmallSigma = 0x3C3, kFinalSigma = 0x3C2;
constexpr size_t kLongestWord = 100;  // longer ones are unknown
constexpr std::u32string_view kSpecials[] = {U"[PAD]", U"[UNK]", U"[CLS]", U"[SEP]", U"[MASK]"};

struct Range {
  char32_t first, last;
};
constexpr Range kCjk[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                          {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};

bool is_cjk(char32_t c) {
  return std::ranges::any_of(kCjk, [c](const Range& range) { return c >= range.first && c <= range.last; });
}

// ASCII's symbols count as punctuation, whatever their category.
bool splits(char32_t c) {
  return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126) ||
         is_punctuation(c);
}

std::u32string cleaned(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {
    const bool blank = c == '\t' || c == '\n' || c == '\r' || is_space_separator(c);
    if (blank)
      out += U' ';
    else if (is_cjk(c))
      out += {U' ', c, U' '};
    else if (c != kReplacement && !is_other(c))
      out += c;
  }
  return to_nfc(out);
}

// Python's str.lower: a sigma that ends a word has a form of its own.
std::u32string lowered(std::u32string_view word) {
  std::u32string out = to_lower(word);
  for (size_t i = 0; i < word.size() && out.size() == word.size(); ++i) {
    const bool ends = i > 0 && is_letter(word[i - 1]) && (i + 1 == word.size() || !is_letter(word[i + 1]));
    if (word[i] == kSigma) out[i] = ends ? kFinalSigma : kSmallSigma;
  }
  return out;
}

std::u32string stripped(std::u32string_view word) {
  std::u32string out = to_nfd(word);
  std::erase_if(out, is_nonspacing_mark);
  return out;
}

}  // namespace

BertTokenizer::BertTokenizer(std::string_view vocabulary, const std::string& where) {
  for (int32_t id = 0; !vocabulary.empty(); ++id) {
    const size_t end = std::min(vocabulary.find('\n'), vocabulary.size());
    std::string_view piece = vocabulary.substr(0, end);
    vocabulary.remove_prefix(std::min(end + 1, vocabulary.size()));
    if (piece.ends_with('\r')) piece.remove_suffix(1);
    if (!pieces_.emplace(piece, id).second)
      fail(ErrorCode::Corrupt, "{}: line {}: piece \"{}\" appears twice", where, id + 1, piece);
  }
  unknown_ = require("[UNK]", where), start_ = require("[CLS]", where);
  end_ = require("[SEP]", where), pad_ = require("[PAD]", where);
}

BertTokenizer BertTokenizer::load(const std::filesystem::path& vocabulary) {
  return BertTokenizer(read_file(vocabulary), "file " + vocabulary.string());
}

int32_t BertTokenizer::require(const char* piece, const std::string& where) const {
  const auto found = pieces_.find(piece);
  if (found == pieces_.end()) fail(ErrorCode::Corrupt, "{}: want a BERT vocabulary, found no {}", where, piece);
  return found->second;
}

std::vector<int32_t> BertTokenizer::encode(std::string_view text) const {
  const std::u32string whole = decode_utf8(text);
  std::u32string_view rest = whole;
  std::vector<int32_t> ids;
  while (!rest.empty()) {
    size_t begin = rest.size();
    std::u32string_view special;
    for (const std::u32string_view token : kSpecials)
      if (const size_t at = rest.find(token); at < begin && pieces_.contains(encode_utf8(token)))
        begin = at, special = token;
    encode_plain(rest.substr(0, begin), ids);
    if (!special.empty()) ids.push_back(pieces_.at(encode_utf8(special)));
    rest.remove_prefix(begin + special.size());
  }
  return ids;
}

void BertTokenizer::encode_plain(std::u32string_view text, std::vector<int32_t>& ids) const {
  const std::u32string clean = cleaned(text);
  for (size_t at = 0; at < clean.size();) {
    const size_t begin = at;
    while (at < clean.size() && !is_space(clean[at])) ++at;
    const std::u32string word = stripped(lowered(std::u32string_view(clean).substr(begin, at - begin)));
    if (at < clean.size()) ++at;
    for (size_t i = 0; i < word.size();) {
      size_t end = i + 1;
      while (!splits(word[i]) && end < word.size() && !splits(word[end])) ++end;
      encode_word(std::u32string_view(word).substr(i, end - i), ids);
      i = end;
    }
  }
}

void BertTokenizer::encode_word(std::u32string_view word, std::vector<int32_t>& ids) const {
  const size_t before = ids.size();
  for (size_t begin = 0; begin < word.size();) {
    size_t end = word.size();
    auto found = pieces_.end();
    for (; end > begin && word.size() <= kLongestWord; --end) {
      found = pieces_.find((begin > 0 ? "##" : "") + encode_utf8(word.substr(begin, end - begin)));
      if (found != pieces_.end()) break;
    }
    if (found == pieces_.end()) {
      ids.resize(before);
      ids.push_back(unknown_);
      return;
    }
    ids.push_back(found->second);
    begin = end;
  }
}

BertTokenizer::Padded BertTokenizer::encode_padded(std::string_view text, int64_t length) const {
  NIBBLE_CHECK(length >= 2, "length {}", length);
  Padded out{encode(text), 0};
  out.ids.resize(std::min(out.ids.size(), static_cast<size_t>(length - 2)));
  out.ids.insert(out.ids.begin(), start_);
  out.ids.push_back(end_);
  out.used = static_cast<int64_t>(out.ids.size());
  out.ids.resize(static_cast<size_t>(length), pad_);
  return out;
}

}  // namespace nibble
