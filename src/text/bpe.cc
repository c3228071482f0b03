#include "text/bpe.h"

#include <algorithm>
#include <array>
#include <functional>
#include <queue>

#include "base/error.h"
#include "text/unicode.h"

namespace nibble {
namespace {

constexpr int32_t kMaxId = 1 << 24;

constexpr bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

constexpr std::array<char32_t, 256> make_byte_symbols() {
  std::array<char32_t, 256> symbols{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    symbols[static_cast<size_t>(byte)] = stands_for_itself(byte) ? static_cast<char32_t>(byte) : next++;
  }
  return symbols;
}

constexpr std::array<char32_t, 256> kByteSymbols = make_byte_symbols();

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

// A symbol of a word while it is being merged; symbols form a list by index, −1 ends it.
struct Symbol {
  int32_t id;
  int32_t previous;
  int32_t next;
};

struct Candidate {
  int32_t rank;
  int32_t position;  // of the left symbol
  int32_t left_id;
  int32_t right_id;
  bool operator>(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

}  // namespace

std::string byte_symbol(uint8_t byte) {
  return encode_utf8({&kByteSymbols[byte], 1});
}

bool is_own_symbol(uint8_t byte) { return stands_for_itself(byte); }

Bpe::Bpe(Vocabulary vocabulary, const Merges& merges, int32_t unknown_id) : vocabulary_(std::move(vocabulary)) {
  for (const auto& [token, id] : vocabulary_) {
    if (id < 0 || id >= kMaxId) fail(ErrorCode::Corrupt, "vocabulary, token \"{}\": id {} is out of range", token, id);
    if (id >= size()) tokens_.resize(static_cast<size_t>(id) + 1);
    tokens_[static_cast<size_t>(id)] = token;
  }
  for (int byte = 0; byte < 512; ++byte) {
    const std::string symbol = byte_symbol(static_cast<uint8_t>(byte % 256));
    const int32_t id = find(byte < 256 ? symbol : symbol + std::string(kWordEnd));
    byte_ids_.push_back(id >= 0 ? id : unknown_id);
  }
  merges_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const int32_t left_id = find(left), right_id = find(right), id = find(left + right);
    if (left_id < 0 || right_id < 0 || id < 0) {
      fail(ErrorCode::Corrupt, "merge \"{} {}\": its parts or its result are not in the vocabulary", left, right);
    }
    merges_[pair_key(left_id, right_id)] = {static_cast<int32_t>(rank), id};
  }
}

int32_t Bpe::find(std::string_view token) const {
  const auto found = vocabulary_.find(std::string(token));
  return found == vocabulary_.end() ? -1 : found->second;
}

const Bpe::Merge* Bpe::find_merge(int32_t left, int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void Bpe::encode_word(std::string_view word, std::vector<int32_t>& ids) const {
  const int32_t count = static_cast<int32_t>(word.size());
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (int32_t i = 0; i < count; ++i) {
    const size_t byte = static_cast<uint8_t>(word[static_cast<size_t>(i)]);
    symbols.push_back({byte_ids_[byte + (i + 1 == count ? 256 : 0)], i - 1, i + 1 < count ? i + 1 : -1});
  }

  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto at = [&](int32_t i) -> Symbol& { return symbols[static_cast<size_t>(i)]; };
  const auto propose = [&](int32_t left) {
    if (left < 0 || at(left).next < 0) return;
    const int32_t left_id = at(left).id, right_id = at(at(left).next).id;
    if (const Merge* merge = find_merge(left_id, right_id)) queue.push({merge->rank, left, left_id, right_id});
  };
  for (int32_t i = 0; i < count; ++i) propose(i);

  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = at(best.position);
    if (left.id != best.left_id || left.next < 0 || at(left.next).id != best.right_id) continue;
    Symbol& right = at(left.next);
    left.id = find_merge(best.left_id, best.right_id)->id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) at(left.next).previous = best.position;
    propose(left.previous);
    propose(best.position);
  }
  for (int32_t i = 0; i >= 0; i = at(i).next) ids.push_back(at(i).id);
}

std::string Bpe::decode(std::span<const int32_t> ids) const {
  std::string out;
  for (const int32_t id : ids) {
    if (id < 0 || id >= size()) continue;
    std::string_view token = tokens_[static_cast<size_t>(id)];
    const bool ends_word = token.ends_with(kWordEnd);
    if (ends_word) token.remove_suffix(kWordEnd.size());
    for (const char32_t c : decode_utf8(token)) {
      const auto found = std::find(kByteSymbols.begin(), kByteSymbols.end(), c);
      if (found != kByteSymbols.end()) out.push_back(static_cast<char>(found - kByteSymbols.begin()));
    }
    if (ends_word) out.push_back(' ');
  }
  return out;
}

}  // namespace nibble
