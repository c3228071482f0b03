#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "data/caption_set.h"
#include "data/json_items.h"
#include "data/text_table.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

struct KeywordDomain {
  std::string name;
  std::vector<std::string> keywords;
};

std::vector<KeywordDomain> read_keywords(const fs::path& file) {
  std::vector<KeywordDomain> domains;
  const std::string text = read_file(file);
  size_t number = 0;
  for (const std::string_view line : text_lines(text)) {
    ++number;
    if (trimmed(line).empty() || trimmed(line).starts_with('#')) continue;
    const size_t colon = line.find(':');
    KeywordDomain domain{std::string(trimmed(line.substr(0, colon))), {}};
    const std::vector<TableRow> rows = colon == std::string_view::npos
                                           ? std::vector<TableRow>{}
                                           : parse_table(line.substr(colon + 1), ',', false, file.string());
    for (const TableRow& row : rows) {
      for (const std::string& cell : row.cells) {
        const bool open = trimmed(cell).ends_with('*');
        std::string keyword = word_text(cell);
        if (keyword.size() < 2) continue;
        if (open) keyword.pop_back();
        domain.keywords.push_back(keyword);
      }
    }
    if (domain.name.empty() || domain.keywords.empty()) {
      fail(ErrorCode::Corrupt, "{}: line {}: want 'domain: word, phrase, begin*', found '{}'", file.string(), number,
           line.substr(0, 60));
    }
    domains.push_back(std::move(domain));
  }
  if (domains.empty()) fail(ErrorCode::Corrupt, "{}: want lines 'domain: word, phrase', found none", file.string());
  return domains;
}

bool matches(const KeywordDomain& domain, const std::vector<std::string>& captions) {
  return std::any_of(domain.keywords.begin(), domain.keywords.end(), [&](const std::string& keyword) {
    return std::any_of(captions.begin(), captions.end(),
                       [&](const std::string& caption) { return caption.find(keyword) != std::string::npos; });
  });
}

struct Instances {
  std::unordered_map<int64_t, std::string> names, supercategories;  // of pictures, of categories
  std::unordered_map<int64_t, std::map<int64_t, int64_t>> objects;  // picture -> category -> count
};

Instances read_instances(const fs::path& file) {
  Instances found;
  each_element(
      read_file(file), file.string(), {"segmentation", "bbox", "coco_url", "flickr_url", "date_captured"},
      [&](const std::string& array, const Json& element, const std::string& where) {
        if (array == "images") {
          found.names[integer_member(element, "id", where)] =
              fs::path(string_member(element, "file_name", where)).stem().string();
        } else if (array == "categories") {
          found.supercategories[integer_member(element, "id", where)] = string_member(element, "supercategory", where);
        } else if (array == "annotations") {
          ++found.objects[integer_member(element, "image_id", where)][integer_member(element, "category_id", where)];
        }
      });
  if (found.supercategories.empty())
    fail(ErrorCode::Corrupt, "{}: want COCO's array 'categories', found none; is this the instances_*.json?",
         file.string());
  return found;
}

std::vector<std::string> sorted_domains(const Instances& found, const std::map<int64_t, int64_t>& objects,
                                        const fs::path& file) {
  std::map<std::string, int64_t> counts;
  for (const auto& [category, count] : objects) {
    const auto name = found.supercategories.find(category);
    if (name == found.supercategories.end())
      fail(ErrorCode::Corrupt, "{}: want a category_id of 'categories', found {}", file.string(), category);
    counts[name->second] += count;
  }
  std::vector<std::pair<int64_t, std::string>> order;
  for (const auto& [name, count] : counts) order.emplace_back(-count, name);
  std::sort(order.begin(), order.end());
  std::vector<std::string> domains;
  for (const auto& [count, name] : order) domains.push_back(name);
  return domains;
}

}  // namespace

void apply_keywords(CaptionSet& set, const fs::path& keyword_file) {
  const std::vector<KeywordDomain> domains = read_keywords(keyword_file);
  for (CaptionItem& item : set.items) {
    std::vector<std::string> captions;
    for (const std::string& caption : item.captions) captions.push_back(word_text(caption));
    item.domains.clear();
    for (const KeywordDomain& domain : domains) {
      if (matches(domain, captions)) item.domains.push_back(domain.name);
    }
  }
}

void apply_coco_instances(CaptionSet& set, const fs::path& instances_json) {
  const Instances found = read_instances(instances_json);
  std::unordered_map<std::string_view, int64_t> ids;
  for (const auto& [id, name] : found.names) ids[name] = id;
  size_t known = 0;
  for (CaptionItem& item : set.items) {
    item.domains.clear();
    const std::string stem = fs::path(item.picture).stem().string();
    const auto id = ids.find(stem);
    if (id == ids.end()) continue;
    ++known;
    if (const auto objects = found.objects.find(id->second); objects != found.objects.end())
      item.domains = sorted_domains(found, objects->second, instances_json);
  }
  if (known == 0 && !set.items.empty())
    fail(ErrorCode::InvalidArgument,
         "instances {}: want the pictures of {}, found none of them; take the file of the same year and split",
         instances_json.string(), set.source.string());
}

}  // namespace nibble
