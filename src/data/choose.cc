#include "data/choose.h"

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>

#include "base/check.h"
#include "base/error.h"
#include "base/random.h"
#include "text/unicode.h"

namespace nibble {
namespace {

// Python's _randbelow: the top bits of a word, redrawn until they are below n.
uint64_t python_below(Generator& generator, uint64_t n) {
  NIBBLE_CHECK(n > 0 && n < (uint64_t{1} << 32));
  const int shift = 32 - std::bit_width(n);
  for (;;) {
    const uint64_t value = generator.next_u32() >> shift;
    if (value < n) return value;
  }
}

size_t caption_index(const CaptionItem& item, CaptionChoice choice, uint64_t seed) {
  const size_t count = item.captions.size();
  switch (choice) {
    case CaptionChoice::First:
      return 0;
    case CaptionChoice::ByName:
      return name_hash(item.name) % count;
    case CaptionChoice::Random: {
      Generator generator = Generator::like_python(seed * 1'000'000'007 + name_hash(item.name));
      return python_below(generator, count);
    }
    case CaptionChoice::Longest:
      break;
  }
  const auto shorter = [](const std::string& a, const std::string& b) {
    return decode_utf8(a).size() < decode_utf8(b).size();
  };
  return static_cast<size_t>(std::max_element(item.captions.begin(), item.captions.end(), shorter) -
                             item.captions.begin());
}

bool has_domain(const CaptionItem& item, const std::vector<std::string>& domains) {
  return domains.empty() || std::any_of(domains.begin(), domains.end(), [&](const std::string& domain) {
           return std::find(item.domains.begin(), item.domains.end(), domain) != item.domains.end();
         });
}

void require_domains(const CaptionSet& set, const std::vector<std::string>& domains) {
  const std::vector<DomainCount> known = count_domains(set);
  for (const std::string& domain : domains) {
    if (std::any_of(known.begin(), known.end(), [&](const DomainCount& row) { return row.name == domain; })) continue;
    std::string names;
    for (const DomainCount& row : known) names += (names.empty() ? "" : ", ") + row.name;
    fail(ErrorCode::InvalidArgument, "domain {} of {}: want one of the set's domains, found {}", domain,
         set.source.string(), names.empty() ? "none at all; give --instances (COCO) or --keywords" : "only: " + names);
  }
}

void take_by_order(const CaptionSet& set, const PromptSelection& selection, std::vector<size_t>& items, size_t count) {
  if (selection.order != PromptOrder::File) {
    const uint64_t seed = selection.order == PromptOrder::SvdQuant ? 0 : selection.seed;
    std::vector<size_t> shuffled;
    for (const int64_t i : python_shuffle(static_cast<int64_t>(items.size()), seed))
      shuffled.push_back(items[static_cast<size_t>(i)]);
    items = std::move(shuffled);
  }
  items.resize(count);
  if (selection.order == PromptOrder::Random) std::sort(items.begin(), items.end());
  if (selection.order == PromptOrder::SvdQuant) {
    // UTF-8 sorts as Python sorts code points.
    std::sort(items.begin(), items.end(), [&](size_t a, size_t b) { return set.items[a].name < set.items[b].name; });
  }
}

}  // namespace

std::vector<int64_t> python_shuffle(int64_t count, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  Generator generator = Generator::like_python(seed);
  for (int64_t i = count - 1; i > 0; --i) {
    std::swap(order[static_cast<size_t>(i)], order[python_below(generator, static_cast<uint64_t>(i) + 1)]);
  }
  return order;
}

uint64_t name_hash(std::string_view name) {
  uint64_t hash = 0;
  for (const char32_t c : decode_utf8(name)) hash = (hash * 31 + c) % 1'000'000'007;
  return hash;
}

std::optional<CaptionChoice> caption_choice_from_name(std::string_view name) {
  if (name == "first") return CaptionChoice::First;
  if (name == "longest") return CaptionChoice::Longest;
  if (name == "random") return CaptionChoice::Random;
  if (name == "by-name") return CaptionChoice::ByName;
  return std::nullopt;
}

std::optional<PromptOrder> prompt_order_from_name(std::string_view name) {
  if (name == "file") return PromptOrder::File;
  if (name == "random") return PromptOrder::Random;
  if (name == "svdquant") return PromptOrder::SvdQuant;
  return std::nullopt;
}

std::vector<ChosenPrompt> choose_prompts(const CaptionSet& set, const PromptSelection& selection) {
  require_domains(set, selection.domains);
  std::vector<size_t> items;
  for (size_t i = 0; i < set.items.size(); ++i) {
    if (has_domain(set.items[i], selection.domains)) items.push_back(i);
  }
  if (selection.count < 0 || static_cast<size_t>(selection.count) > items.size()) {
    fail(ErrorCode::InvalidArgument,
         "count {} of {}: want at most the {} items that are there after filtering; ask for fewer", selection.count,
         set.source.string(), items.size());
  }
  take_by_order(set, selection, items, selection.count > 0 ? static_cast<size_t>(selection.count) : items.size());
  std::vector<ChosenPrompt> prompts;
  for (const size_t i : items) {
    const CaptionItem& item = set.items[i];
    NIBBLE_CHECK(!item.captions.empty(), "item {}", item.name);
    const std::string& text = item.captions[caption_index(item, selection.caption, selection.seed)];
    prompts.push_back({item.name, selection.clean ? clean_caption(text) : text, name_hash(item.name), i});
  }
  return prompts;
}

std::string clean_caption(std::string_view caption) {
  std::u32string out;
  for (const char32_t c : decode_utf8(caption)) {
    if (is_space(c) || c < 0x20 || (c >= 0x7F && c < 0xA0)) {
      if (!out.empty() && out.back() != U' ') out += U' ';
    } else {
      out += c;
    }
  }
  if (!out.empty() && out.back() == U' ') out.pop_back();
  return encode_utf8(out);
}

std::string affixed(std::string_view text, std::string_view prefix, std::string_view suffix) {
  return std::string(prefix) + std::string(text) + std::string(suffix);
}

std::vector<DomainCount> count_domains(const CaptionSet& set) {
  std::map<std::string, int64_t> counts;
  for (const CaptionItem& item : set.items) {
    for (const std::string& domain : item.domains) ++counts[domain];
  }
  std::vector<DomainCount> rows;
  for (const auto& [name, items] : counts) rows.push_back({name, items});
  std::stable_sort(rows.begin(), rows.end(),
                   [](const DomainCount& a, const DomainCount& b) { return a.items > b.items; });
  return rows;
}

}  // namespace nibble
