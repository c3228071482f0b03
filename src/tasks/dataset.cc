#include "tasks/dataset.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "data/formats.h"
#include "data/metadata.h"
#include "data/pictures.h"
#include "data/text_table.h"
#include "pipelines/loaded_model.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

bool has_any(const std::string& words, const std::vector<std::string>& phrases) {
  return std::any_of(phrases.begin(), phrases.end(),
                     [&](const std::string& phrase) { return words.find(word_text(phrase)) != std::string::npos; });
}

void require_words(const std::vector<std::string>& phrases) {
  for (const std::string& phrase : phrases) {
    if (word_text(phrase).size() < 2)
      fail(ErrorCode::InvalidArgument, "word '{}': want letters or digits, found none", phrase);
  }
}

// Why a caption is not wanted; null if it is.
const char* unwanted(const DatasetRequest& request, const std::string& caption) {
  if (request.min_words + request.max_words == 0 && request.match.empty() && request.exclude.empty()) return nullptr;
  const std::string words = word_text(caption);
  const int64_t count = std::count(words.begin(), words.end(), ' ') - 1;
  if (count < request.min_words) return "too short";
  if (request.max_words > 0 && count > request.max_words) return "too long";
  if (!request.match.empty() && !has_any(words, request.match)) return "without a wanted word";
  if (has_any(words, request.exclude)) return "with an excluded word";
  return nullptr;
}

void drop_faulty(const DatasetRequest& request, CaptionSet& set, DatasetResult& result) {
  if (!request.skip_faulty) return require_sound(set, request.require_pictures);
  std::vector<bool> faulty(set.items.size());
  for (const Fault& fault : find_faults(set, request.require_pictures)) {
    // An empty caption beside others goes alone.
    std::vector<std::string>& captions = set.items[fault.item].captions;
    if (fault.kind == FaultKind::NoCaption)
      std::erase_if(captions, [](const std::string& text) { return trimmed(text).empty(); });
    if (fault.kind == FaultKind::NoCaption && !captions.empty()) continue;
    faulty[fault.item] = true;
    ++result.left_out[fault_name(fault.kind)];
  }
  size_t index = 0;
  std::erase_if(set.items, [&](const CaptionItem&) { return faulty[index++]; });
}

void filter_captions(const DatasetRequest& request, CaptionSet& set, DatasetResult& result) {
  std::erase_if(set.items, [&](CaptionItem& item) {
    const char* last = nullptr;
    std::erase_if(item.captions, [&](const std::string& caption) {
      const char* reason = unwanted(request, caption);
      if (reason != nullptr) last = reason;
      return reason != nullptr;
    });
    if (item.captions.empty()) ++result.left_out[last];
    return item.captions.empty();
  });
}

void drop_repeated(const DatasetRequest& request, CaptionSet& set, DatasetResult& result) {
  PromptSelection all = request.selection;
  all.domains.clear();
  all.count = 0;
  all.order = PromptOrder::File;
  std::unordered_set<std::string> seen;
  std::vector<bool> repeated(set.items.size());
  for (const ChosenPrompt& prompt : choose_prompts(set, all)) {
    repeated[prompt.item] = !seen.insert(word_text(prompt.text)).second;
    if (repeated[prompt.item]) ++result.left_out["repeated captions"];
  }
  size_t index = 0;
  std::erase_if(set.items, [&](const CaptionItem&) { return repeated[index++]; });
}

struct Share {
  std::string name;
  double part;
};

std::vector<Share> parse_shares(const std::string& text) {
  std::vector<Share> shares;
  double sum = 0;
  for (const TableRow& row : parse_table(text, ',', false, "splits")) {
    for (const std::string& cell : row.cells) {
      const size_t equal = cell.find('=');
      char* end = nullptr;
      const std::string number = equal == std::string::npos ? "" : cell.substr(equal + 1);
      const double part = std::strtod(number.c_str(), &end);
      if (number.empty() || *end != '\0' || equal == 0 || !(part >= 0 && part <= 1))
        fail(ErrorCode::InvalidArgument, "splits {}: want NAME=FRACTION,…, e.g. train=0.9,val=0.1; found '{}'", text,
             cell);
      shares.push_back({std::string(trimmed(cell.substr(0, equal))), part});
      sum += part;
    }
  }
  if (std::abs(sum - 1) > 1e-6)
    fail(ErrorCode::InvalidArgument, "splits {}: want fractions that add up to 1, found {}", text, sum);
  return shares;
}

void split_rows(const DatasetRequest& request, std::vector<DatasetRow>& rows) {
  if (request.splits.empty()) return;
  const std::vector<int64_t> order = python_shuffle(static_cast<int64_t>(rows.size()), request.selection.seed);
  double sum = 0;
  size_t done = 0;
  for (const Share& share : parse_shares(request.splits)) {
    sum += share.part;
    const size_t end = static_cast<size_t>(std::llround(sum * static_cast<double>(rows.size())));
    for (; done < std::min(end, rows.size()); ++done) rows[static_cast<size_t>(order[done])].split = share.name;
  }
}

// Where a picture goes below the folder. Names come from foreign files.
std::string picture_name(const DatasetRow& row) {
  const fs::path name =
      fs::path("pictures") / fs::path(row.name + fs::path(row.picture).extension().string()).relative_path();
  const fs::path normal = name.lexically_normal();
  const bool inside = std::distance(normal.begin(), normal.end()) >= 2 && *normal.begin() == "pictures";
  if (!inside || row.name.find('\0') != std::string::npos)
    fail(ErrorCode::Corrupt,
         "item {}: want a name that stays inside the folder, found one that leads out of it; mend the data set",
         row.name);
  return normal.generic_string();
}

void put_picture(const PictureSource& source, const std::string& picture, const fs::path& to, bool copy) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  const fs::path from = source.file(picture);
  if (copy || from.empty()) return write_file(to, source.bytes(picture));
  fs::remove(to, error);
  fs::create_symlink(fs::absolute(from), to, error);
  if (error) fail(ErrorCode::Io, "link {}: cannot be made: {}; try --copy-pictures", to.string(), error.message());
}

void write_rows(const fs::path& file, const std::vector<DatasetRow>& rows, bool affixed) {
  std::string text;
  for (const DatasetRow& row : rows) {
    text += metadata_line({.name = row.name,
                           .file_name = row.picture,
                           .text = affixed ? row.affixed : row.text,
                           .split = row.split,
                           .captions = {},
                           .domains = row.domains,
                           .seed = row.seed});
  }
  write_file(file, text);
}

void write_out(Context& context, const DatasetRequest& request, const CaptionSet& set, DatasetResult& result) {
  std::error_code error;
  fs::create_directories(request.out, error);
  if (error) fail(ErrorCode::Io, "folder {}: cannot be made: {}", request.out.string(), error.message());
  const PictureSource source(set.pictures);
  const int64_t total = static_cast<int64_t>(result.rows.size());
  for (int64_t i = 0; i < total; ++i) {
    DatasetRow& row = result.rows[static_cast<size_t>(i)];
    if (row.picture.empty()) continue;
    if (!source.has(row.picture)) {
      row.picture.clear();
      continue;
    }
    context.check_cancelled();
    context.report("pictures", i, total);
    const std::string name = picture_name(row);
    put_picture(source, row.picture, request.out / name, request.copy_pictures);
    row.picture = name;
    ++result.pictures;
  }
  result.written.push_back(request.out / "metadata.jsonl");
  write_rows(result.written.back(), result.rows, false);
  if (request.prefix.empty() && request.suffix.empty()) return;
  result.written.push_back(request.out / "affixed.jsonl");
  write_rows(result.written.back(), result.rows, true);
}

}  // namespace

CaptionSet open_dataset(const DatasetRequest& request) {
  ReadRequest read{request.data, request.split};
  std::string format_name = request.dataset;
  if (!format_name.empty()) format_name = caption_format(format_name).name;
  if (read.path.empty()) {
    if (format_name.empty())
      fail(ErrorCode::InvalidArgument, "data set: want its file or folder, or --dataset emoji; found neither");
    const auto builtin = format_name == "emoji" ? builtin_model("emoji") : std::nullopt;
    if (!builtin)
      fail(ErrorCode::InvalidArgument, "data of {}: want --data with {}; found none", format_name,
           caption_format(format_name).layout);
    read.path = *builtin;
  }
  CaptionSet set = read_captions(format_name, read);
  if (!request.pictures.empty()) {
    if (!fs::exists(request.pictures))
      fail(ErrorCode::NotFound, "pictures {}: want a folder or zip, found nothing", request.pictures.string());
    set.pictures.insert(set.pictures.begin(), request.pictures);
  }
  if (!request.instances.empty()) apply_coco_instances(set, request.instances);
  if (!request.keywords.empty()) apply_keywords(set, request.keywords);
  return set;
}

DatasetResult make_dataset(Context& context, const DatasetRequest& request) {
  if (!request.splits.empty()) parse_shares(request.splits);
  require_words(request.match);
  require_words(request.exclude);
  CaptionSet set = open_dataset(request);
  DatasetResult result{.format = set.format, .source = set.source, .items = static_cast<int64_t>(set.items.size())};
  for (const CaptionItem& item : set.items) result.captions += static_cast<int64_t>(item.captions.size());
  drop_faulty(request, set, result);
  filter_captions(request, set, result);
  if (request.unique) drop_repeated(request, set, result);
  if (set.items.empty())
    fail(ErrorCode::InvalidArgument, "data set {}: want items, found none that are left of {}", set.source.string(),
         result.items);
  result.domains = count_domains(set);
  for (const ChosenPrompt& prompt : choose_prompts(set, request.selection)) {
    const CaptionItem& item = set.items[prompt.item];
    result.rows.push_back({prompt.name, prompt.text, affixed(prompt.text, request.prefix, request.suffix), item.picture,
                           item.split, item.domains, prompt.seed});
  }
  split_rows(request, result.rows);
  for (const DatasetRow& row : result.rows) {
    if (!row.split.empty()) ++result.splits[row.split];
  }
  if (!request.out.empty()) write_out(context, request, set, result);
  return result;
}

std::string dataset_text(const DatasetResult& result) {
  std::string text = format("{}  {}\n", result.format, result.source.string());
  text += format("read      {} items, {} captions\n", result.items, result.captions);
  for (const auto& [reason, count] : result.left_out) text += format("left out  {} {}\n", count, reason);
  text += format("chosen    {} prompts\n", result.rows.size());
  for (size_t i = 0; i < result.domains.size(); ++i) {
    if (i == 20) {
      text += format("          and {} domains more (--json names all)\n", result.domains.size() - i);
      break;
    }
    text +=
        format("{}  {:>6}  {}\n", i == 0 ? "domains " : "        ", result.domains[i].items, result.domains[i].name);
  }
  for (const auto& [split, count] : result.splits) text += format("split     {} {}\n", count, split);
  for (size_t i = 0; i < std::min<size_t>(result.rows.size(), 3); ++i)
    text += format("e.g.      {}: {}\n", result.rows[i].name, result.rows[i].text);
  for (const fs::path& file : result.written) text += format("written   {}\n", file.string());
  if (!result.written.empty()) text += format("pictures  {}\n", result.pictures);
  return text;
}

OrderedJson dataset_json(const DatasetResult& result) {
  OrderedJson json = {{"dataset", result.format},
                      {"source", result.source.string()},
                      {"items", result.items},
                      {"captions", result.captions}};
  json["left_out"] = result.left_out;
  json["domains"] = OrderedJson::object();
  for (const DomainCount& row : result.domains) json["domains"][row.name] = row.items;
  json["splits"] = result.splits;
  json["written"] = OrderedJson::array();
  for (const fs::path& file : result.written) json["written"].push_back(file.string());
  json["pictures"] = result.pictures;
  json["prompts"] = OrderedJson::array();
  for (const DatasetRow& row : result.rows) {
    OrderedJson entry = {{"name", row.name}, {"text", row.text}, {"seed", row.seed}, {"domains", row.domains}};
    if (row.affixed != row.text) entry["affixed"] = row.affixed;
    if (!row.split.empty()) entry["split"] = row.split;
    if (!row.picture.empty()) entry["picture"] = row.picture;
    json["prompts"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace nibble
