#include "data/caption_set.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "data/pictures.h"
#include "data/text_table.h"
#include "text/unicode.h"

namespace nibble {
namespace {

bool is_utf8(const std::string& text) { return encode_utf8(decode_utf8(text)) == text; }

std::string no_caption(const CaptionItem& item) {
  if (item.caption_file.empty()) return format("item {}: want a caption, found none", item.name);
  const bool absent = !std::filesystem::exists(item.caption_file);
  return format("item {}: want a caption in {}, found {}", item.name, item.caption_file.string(),
                absent ? "no such file" : "an empty file");
}

std::string captions_fault(const CaptionItem& item, FaultKind& kind) {
  kind = FaultKind::NoCaption;
  if (item.captions.empty()) return no_caption(item);
  for (const std::string& caption : item.captions) {
    if (trimmed(caption).empty()) return format("item {}: want a caption, found an empty one", item.name);
  }
  kind = FaultKind::BadText;
  if (!is_utf8(item.name)) return format("item {}: want a name in UTF-8, found other bytes", item.name);
  for (const std::string& caption : item.captions) {
    if (!is_utf8(caption)) return format("item {}: want captions in UTF-8, found other bytes", item.name);
  }
  return {};
}

std::string places_of(const CaptionSet& set) {
  std::string text;
  for (const auto& place : set.pictures) text += (text.empty() ? "" : ", ") + place.string();
  return text.empty() ? "nowhere (the set names no folder of pictures)" : text;
}

std::string picture_fault(const CaptionSet& set, const PictureSource& pictures, const CaptionItem& item) {
  if (item.picture.empty()) return format("item {}: want a picture, found a prompt alone", item.name);
  if (pictures.has(item.picture)) return {};
  return format("item {}: want the picture {}, found none in {}", item.name, item.picture, places_of(set));
}

}  // namespace

const char* fault_name(FaultKind kind) {
  switch (kind) {
    case FaultKind::DuplicateName:
      return "duplicate names";
    case FaultKind::NoCaption:
      return "missing captions";
    case FaultKind::BadText:
      return "text that is not UTF-8";
    case FaultKind::NoPicture:
      return "missing pictures";
  }
  return "";
}

std::vector<Fault> find_faults(const CaptionSet& set, bool pictures) {
  std::vector<Fault> faults;
  const PictureSource source(pictures ? set.pictures : std::vector<std::filesystem::path>{});
  std::unordered_map<std::string_view, size_t> seen;
  for (size_t i = 0; i < set.items.size(); ++i) {
    const CaptionItem& item = set.items[i];
    const auto [first, is_new] = seen.emplace(item.name, i);
    if (!is_new) {
      faults.push_back({FaultKind::DuplicateName, i,
                        format("item {}: want names that differ, found this one at place {} and again at {}", item.name,
                               first->second + 1, i + 1)});
      continue;
    }
    FaultKind kind{};
    std::string about = captions_fault(item, kind);
    if (about.empty() && pictures) {
      kind = FaultKind::NoPicture;
      about = picture_fault(set, source, item);
    }
    if (!about.empty()) faults.push_back({kind, i, std::move(about)});
  }
  return faults;
}

namespace {

// Of several items; the fault of a single one names it.
void require_any_caption(const CaptionSet& set) {
  if (set.items.size() < 2 ||
      std::ranges::any_of(set.items, [](const CaptionItem& item) { return !item.captions.empty(); }))
    return;
  const std::filesystem::path& file = set.items[0].caption_file;
  fail(ErrorCode::Corrupt, "data set {}: want captions to draw, found none for any of its {} items; {}",
       set.source.string(), set.items.size(),
       file.empty() ? "name the file or data set that has them"
                    : format("write each picture's into a text file of its name, the first into {}", file.string()));
}

}  // namespace

void require_sound(const CaptionSet& set, bool pictures) {
  const std::vector<Fault> faults = find_faults(set, pictures);
  if (faults.empty()) return;
  require_any_caption(set);
  fail(faults[0].kind == FaultKind::NoPicture ? ErrorCode::NotFound : ErrorCode::Corrupt,
       "data set {}: {} ({} of {} items are faulty); mend the file, or leave such items out with --skip-faulty",
       set.source.string(), faults[0].about, faults.size(), set.items.size());
}

}  // namespace nibble
